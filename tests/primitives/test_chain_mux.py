# SPDX-License-Identifier: BSD-2-Clause
"""ChainMux: the LUTs, by Yosys' model, and the twin both give the input that is selected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest
from amaranth.hdl import Module

from celosia_hw.primitives.chain_mux import ChainMux
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.side_by_side import SideBySide


class Registered(ChainMux):
    """With a register behind it, as a bench needs a clock."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.mux = mux = ChainMux(self.width, self.count)
        m.d.sync += self.o.eq(mux.o)
        m.d.comb += mux.select.eq(self.select)
        for index in range(self.count):
            m.d.comb += getattr(mux, f"i{index}").eq(getattr(self, f"i{index}"))
        return m


def make(width: int, count: int) -> SideBySide:
    return SideBySide(Registered(width, count), Registered(width, count), family="ice40")


@pytest.mark.parametrize(("width", "count"), [(1, 2), (5, 3), (17, 7), (32, 10)])
def test_chain_mux(run_block: Callable[..., None], width: int, count: int) -> None:
    run_block(make, "ice40", width=width, count=count)


@cocotb.test()
async def both_select(dut: Any) -> None:
    bench = await start_bench(dut, make, "selects")
    width, count = block_parameters()["width"], block_parameters()["count"]
    for _ in range(200):
        values = [bench.rng.getrandbits(width) for _ in range(count)]
        select = bench.rng.randrange(count)
        for index, value in enumerate(values):
            bench.set(f"i{index}", value)
        bench.set("select", select)
        await bench.step()
        assert bench.get("o") == values[select]
        assert bench.get("o_twin") == values[select]
