# SPDX-License-Identifier: BSD-2-Clause
"""An SPI controller (mode 0), driven from cocotb."""

from __future__ import annotations

from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

from celosia_hw.link.protocol import FLAG

from .host import PERIOD_NS
from .link_host import LinkHost

#: Bytes that are read at once while an answer is waited for.
_POLL = 8


class SpiHost(LinkHost):
    """Registers and memories of an accelerator behind ``SpiLink``.

    A period of the serial clock takes ``divisor`` clock cycles of the design, which need not be a
    whole number. Each piece that is sent or received is a transfer of its own.
    """

    def __init__(self, dut: Any, divisor: float) -> None:
        super().__init__(dut)
        self._half_ps = round(1000 * PERIOD_NS * divisor / 2)

    async def reset(self) -> None:
        """Starts the clock and resets the design."""
        dut = self.dut
        dut.cs_n.value = 1
        dut.sck.value = 0
        dut.copi.value = 0
        dut.rst.value = 1
        Clock(dut.clk, PERIOD_NS, "ns").start()
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        await FallingEdge(dut.clk)

    async def transfer(self, data: bytes) -> bytes:
        """What comes back while ``data`` is sent."""
        dut = self.dut
        half = self._half_ps
        received = bytearray()
        dut.cs_n.value = 0
        await Timer(2 * half, "ps")
        for byte in data:
            value = 0
            for bit in range(7, -1, -1):
                dut.copi.value = byte >> bit & 1
                await Timer(half, "ps")
                dut.sck.value = 1
                value = value << 1 | int(dut.cipo.value)
                await Timer(half, "ps")
                dut.sck.value = 0
            received.append(value)
        await Timer(half, "ps")
        dut.cs_n.value = 1
        await Timer(2 * half, "ps")
        return bytes(received)

    async def send(self, data: bytes) -> None:
        received = await self.transfer(data)
        assert set(received) == {FLAG}, "an answer before the request was complete"

    async def receive(self) -> bytes:
        return await self.transfer(bytes((FLAG,)) * _POLL)
