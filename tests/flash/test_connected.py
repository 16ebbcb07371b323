# SPDX-License-Identifier: BSD-2-Clause
"""A memory that works only while it is selected is the same as one that is asked in each cycle."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import cocotb
import pytest
from cocotb.triggers import FallingEdge, ReadOnly

from celosia_hw.flash.reader import FlashReader
from celosia_sim.flash import W25Q128JV
from celosia_sim.flash.pins import FlashPins, connect_flash
from celosia_sim.rtl.block import block_parameters, start_bench


def make(quad: bool, divider: int, latency: int) -> FlashReader:
    return FlashReader(clock_mhz=12, quad=quad, divider=divider, latency=latency)


@pytest.mark.parametrize(
    ("quad", "divider", "latency"), [(True, 1, 2), (True, 2, 3), (False, 1, 2)]
)
def test_connected(run_block: Callable[..., None], quad: bool, divider: int, latency: int) -> None:
    run_block(make, quad=quad, divider=divider, latency=latency)


@cocotb.test()
async def reads(dut: Any) -> None:
    """Edge by edge, as the bench of a whole system does it."""
    bench = await start_bench(dut, make, "connected")
    parameters = block_parameters()
    rng = bench.rng
    content = bench.numpy.bytes(1 << 16)
    pins = FlashPins(
        W25Q128JV(content, power_down=True),
        period_ns=1000 / 12,
        divider=parameters["divider"],
        extra=parameters["latency"] - 2,
    )
    cocotb.start_soon(connect_flash(dut, "pins", pins))
    for _ in range(6):
        address = 4 * rng.randrange(10_000)
        count = rng.randrange(1, 40)
        dut.request__payload.value = address | count << 24
        dut.request__valid.value = 1
        taken = False
        while not taken:
            await ReadOnly()
            taken = bool(int(dut.request__ready.value))
            await FallingEdge(dut.clk)
        dut.request__valid.value = 0
        units: list[int] = []
        while len(units) < count:
            ready = rng.random() < rng.choice((0.1, 0.9))
            dut.units__ready.value = int(ready)
            await ReadOnly()
            if ready and int(dut.units__valid.value):
                units.append(int(dut.units__payload.value))
            await FallingEdge(dut.clk)
        dut.units__ready.value = 0
        assert units == list(struct.unpack_from(f"<{count}I", content, address))
        # The memory is idle for a while, or not at all.
        for _ in range(rng.choice((0, 0, 5, 100))):
            await FallingEdge(dut.clk)
    assert not pins.chip.selected
    for _ in range(10):
        await FallingEdge(dut.clk)
    assert pins.idle
