# SPDX-License-Identifier: BSD-2-Clause
"""DualMultiplier: an SB_MAC16, by Yosys' model, and the twin, and integers, agree in each cycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb

from celosia_hw.primitives.mac16 import LATENCY, DualMultiplier
from celosia_sim.rtl.block import start_bench
from celosia_sim.rtl.pipelines import check_pipeline
from celosia_sim.rtl.side_by_side import SideBySide


def make() -> SideBySide:
    return SideBySide(DualMultiplier(), DualMultiplier(), family="ice40")


def test_mac16(run_block: Callable[..., None]) -> None:
    run_block(make, "ice40")


def products(a0: int, b0: int, a1: int, b1: int) -> dict[str, int]:
    return {"p0": a0 * b0, "p1": a1 * b1}


@cocotb.test()
async def all_agree(dut: Any) -> None:
    bench = await start_bench(dut, make, "products")
    operands = dict.fromkeys(("a0", "b0", "a1", "b1"), (-128, 127))
    await check_pipeline(bench, operands, products, latency=LATENCY, cycles=4000)
