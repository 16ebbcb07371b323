# SPDX-License-Identifier: BSD-2-Clause
"""SpiPeripheral: bytes both ways at any phase of the serial clock; cut bytes are forgotten."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import cocotb
import pytest
from cocotb.triggers import FallingEdge, ReadOnly, Timer

from celosia_hw.link.protocol import FLAG
from celosia_hw.link.spi import SpiPeripheral
from celosia_sim.rtl.block import block_parameters
from celosia_sim.rtl.spi_host import SpiHost


def make(divisor: float) -> SpiPeripheral:
    return SpiPeripheral()


@pytest.mark.parametrize("divisor", [8, 8.37, 13.1])
def test_spi(run_block: Callable[..., None], divisor: float) -> None:
    run_block(make, divisor=divisor)


class Pins(SpiHost):
    """The pins, and the streams at the other side."""

    def __init__(self, dut: Any) -> None:
        super().__init__(dut, block_parameters()["divisor"])
        self.received: list[int] = []
        self.to_send: list[int] = []

    async def cut(self, bits: int) -> None:
        """A transfer that ends within a byte."""
        dut = self.dut
        dut.cs_n.value = 0
        await Timer(2 * self._half_ps, "ps")
        for bit in range(bits):
            dut.copi.value = bit & 1
            await Timer(self._half_ps, "ps")
            dut.sck.value = 1
            await Timer(self._half_ps, "ps")
            dut.sck.value = 0
        await Timer(self._half_ps, "ps")
        dut.cs_n.value = 1
        await Timer(2 * self._half_ps, "ps")

    async def streams(self) -> None:
        """Takes bytes at once, and offers those that are to be sent."""
        dut = self.dut
        dut.o__ready.value = 1
        while True:
            dut.i__valid.value = int(bool(self.to_send))
            dut.i__payload.value = self.to_send[0] if self.to_send else 0
            await ReadOnly()
            if int(dut.o__valid.value):
                self.received.append(int(dut.o__payload.value))
            taken = self.to_send and int(dut.i__ready.value)
            await FallingEdge(dut.clk)
            if taken:
                self.to_send.pop(0)


async def started(dut: Any) -> Pins:
    pins = Pins(dut)
    dut.i__valid.value = 0
    dut.o__ready.value = 0
    await pins.reset()
    cocotb.start_soon(pins.streams())
    return pins


@cocotb.test()
async def both_ways(dut: Any) -> None:
    pins = await started(dut)
    rng = random.Random(5)
    for length in (1, 2, 3, 20, 100):
        data, answer = rng.randbytes(length), list(rng.randbytes(rng.randrange(length + 1)))
        pins.to_send = list(answer)
        pins.received.clear()
        back = await pins.transfer(data)
        assert bytes(pins.received) == data
        # Behind the last byte flags are sent.
        sent = bytes(answer)
        assert back[: len(sent)] == sent
        assert set(back[len(sent) :]) <= {FLAG}
        assert not pins.to_send


@cocotb.test()
async def answers_in_pieces(dut: Any) -> None:
    """What is sent may come in several transfers, and nothing comes between."""
    pins = await started(dut)
    rng = random.Random(8)
    answer = rng.randbytes(60)
    pins.to_send = list(answer)
    back = b""
    while len(back) < len(answer):
        back += await pins.transfer(rng.randbytes(rng.randrange(1, 9)))
    assert back[: len(answer)] == answer
    assert set(back[len(answer) :]) <= {FLAG}


@cocotb.test()
async def cut_bytes_are_forgotten(dut: Any) -> None:
    pins = await started(dut)
    rng = random.Random(6)
    for _ in range(30):
        # Chip select rises in the middle of a byte.
        await pins.cut(rng.randrange(1, 8))
        data = rng.randbytes(3)
        pins.received.clear()
        await pins.transfer(data)
        assert bytes(pins.received) == data


@cocotb.test()
async def others_are_not_disturbed(dut: Any) -> None:
    """While chip select is high nothing is driven or received."""
    pins = await started(dut)
    rng = random.Random(7)
    for _ in range(100):
        dut.sck.value = rng.getrandbits(1)
        dut.copi.value = rng.getrandbits(1)
        for _ in range(rng.randrange(1, 9)):
            await FallingEdge(dut.clk)
        assert not int(dut.cipo_enable.value)
    dut.sck.value = 0
    assert not pins.received
    await pins.transfer(b"\x5a")
    assert pins.received == [0x5A]
