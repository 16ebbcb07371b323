# SPDX-License-Identifier: BSD-2-Clause
"""FabricMultiplier: all products, and its registers hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cocotb
from amaranth.hdl import Module, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from celosia_hw.primitives.fabric import LATENCY, FabricMultiplier
from celosia_sim.rtl.block import start_bench
from celosia_sim.rtl.pipelines import check_pipeline

#: Products at once, so that the simulation takes less time.
COUNT = 32


class Multipliers(wiring.Component):
    """Multiplies ``b`` with ``a`` and the numbers behind it."""

    def __init__(self) -> None:
        super().__init__(
            {
                "enable": In(1),
                "a": In(signed(8)),
                "b": In(signed(8)),
                "p": Out(data.ArrayLayout(signed(16), COUNT)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for index in range(COUNT):
            m.submodules[f"multiplier{index}"] = multiplier = FabricMultiplier()
            m.d.comb += [
                multiplier.enable.eq(self.enable),
                multiplier.a.eq(self.a + index),
                multiplier.b.eq(self.b),
                self.p[index].eq(multiplier.p),
            ]
        return m


def make() -> Multipliers:
    return Multipliers()


def test_fabric(run_block: Callable[..., None]) -> None:
    run_block(make, None)


def all_operands() -> Iterator[dict[str, int]]:
    for a in range(-128, 128, COUNT):
        for b in range(-128, 128):
            yield {"a": a, "b": b}


def products(a: int, b: int) -> dict[str, Any]:
    return {"p": [value * b for value in range(a, a + COUNT)]}


@cocotb.test()
async def all_products(dut: Any) -> None:
    bench = await start_bench(dut, make, "products")
    operands = {"a": (-128, 128 - COUNT), "b": (-128, 127)}
    await check_pipeline(
        bench, operands, products, latency=LATENCY, cycles=5000, directed=all_operands()
    )
