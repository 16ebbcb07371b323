# SPDX-License-Identifier: BSD-2-Clause
"""PowerOnReset: a reset from configuration on, long enough behind the last reason for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from celosia_hw.boards.clock import PowerOnReset
from celosia_sim.rtl.block import block_parameters
from celosia_sim.rtl.host import PERIOD_NS


def make(bits: int) -> PowerOnReset:
    return PowerOnReset(bits)


@pytest.mark.parametrize("bits", [4, 9])
def test_power_on(run_block: Callable[..., None], bits: int) -> None:
    run_block(make, bits=bits)


async def cycles_until_release(dut: Any) -> int:
    """Cycles in which the reset is high, from now on."""
    count = 0
    while int(dut.reset.value):
        await FallingEdge(dut.clk)
        count += 1
        assert count < 10_000
    return count


@cocotb.test()
async def reset_lasts(dut: Any) -> None:
    length = 1 << block_parameters()["bits"]
    # No reset of the block itself: it starts as it was configured, even with nothing to wait for.
    dut.rst.value = 0
    dut.hold.value = 0
    Clock(dut.clk, PERIOD_NS, "ns").start()
    await FallingEdge(dut.clk)
    assert int(dut.reset.value) == 1
    assert await cycles_until_release(dut) == length + 2

    async def high(cycles: int) -> None:
        for _ in range(cycles):
            await FallingEdge(dut.clk)
            assert int(dut.reset.value) == 1

    for _ in range(3):
        # The PLL loses its lock, or a button is pressed.
        dut.hold.value = 1
        for _ in range(4):
            await FallingEdge(dut.clk)
        await high(3 * length)
        dut.hold.value = 0
        # It bounces in the middle of the wait.
        await high(length // 2)
        dut.hold.value = 1
        await high(1)
        dut.hold.value = 0
        assert await cycles_until_release(dut) == length + 3
        for _ in range(3 * length):
            await FallingEdge(dut.clk)
            assert int(dut.reset.value) == 0
