# SPDX-License-Identifier: BSD-2-Clause
"""Delay: the output is the input of exactly so many enabled cycles before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.gateware.delay import Delay
from celosia_sim.rtl.block import block_parameters, start_bench


def make(width: int, short: int, long: int) -> Delay:
    return Delay(width, short=short, long=long)


@pytest.mark.parametrize(("width", "short", "long"), [(1, 3, 3), (23, 9, 16), (8, 5, 17)])
def test_delay(run_block: Callable[..., None], width: int, short: int, long: int) -> None:
    run_block(make, width=width, short=short, long=long)


@cocotb.test()
async def random_enable(dut: Any) -> None:
    bench = await start_bench(dut, make, "random enable")
    parameters = block_parameters()
    stall = bench.stalls()
    for select in (0, 1, 0, 1):
        delay = parameters["long"] if select else parameters["short"]
        bench.set("select", select)
        entered: list[int] = []  # inputs of enabled cycles

        class Check:
            def drive(self) -> None:
                self.enable = int(not stall())
                self.value = bench.rng.getrandbits(parameters["width"])
                bench.set("enable", self.enable)
                bench.set("i", self.value)

            def sample(self, entered: list[int] = entered, delay: int = delay) -> None:
                if len(entered) >= delay:
                    assert bench.get("o") == entered[-delay]
                if self.enable:
                    entered.append(self.value)

        bench.agents[:] = [Check()]
        await bench.step(600)
        assert len(entered) > 100
