# SPDX-License-Identifier: BSD-2-Clause
"""A host at the far end of a serial line, driven from cocotb.

It wakes at the edges of its own bits only, so that a simulation that waits for the line is fast.
"""

from __future__ import annotations

import itertools
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import FallingEdge, Timer

from .host import PERIOD_NS
from .link_host import LinkHost
from .serial import frame

#: The levels of each byte on the line, and for how many bits each lasts.
_RUNS = [
    [(level, len(list(group))) for level, group in itertools.groupby(frame(value))]
    for value in range(256)
]


class SerialHost(LinkHost):
    """Registers and memories of an accelerator behind ``UartLink``.

    A bit of the host takes ``divisor * (1 + deviation)`` clock cycles of the design.
    """

    def __init__(self, dut: Any, divisor: int, *, deviation: float = 0.0) -> None:
        super().__init__(dut)
        self.divisor = divisor
        self._bit_ps = round(1000 * PERIOD_NS * divisor * (1 + deviation))
        self._received: Queue[int] = Queue()

    async def reset(self) -> None:
        """Starts the clock, resets the design, and begins to listen."""
        dut = self.dut
        dut.rx.value = 1
        dut.rst.value = 1
        Clock(dut.clk, PERIOD_NS, "ns").start()
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        await FallingEdge(dut.clk)
        cocotb.start_soon(self._listen())

    async def _listen(self) -> None:
        while True:
            await FallingEdge(self.dut.tx)
            await Timer(3 * self._bit_ps // 2, "ps")
            value = 0
            for bit in range(8):
                value |= int(self.dut.tx.value) << bit
                await Timer(self._bit_ps, "ps")
            assert int(self.dut.tx.value) == 1, "a byte without its stop bit"
            await self._received.put(value)

    async def send(self, data: bytes) -> None:
        """Sends bytes without a pause."""
        for value in data:
            for level, bits in _RUNS[value]:
                self.dut.rx.value = level
                await Timer(bits * self._bit_ps, "ps")

    async def receive(self) -> bytes:
        """The next byte of an answer."""
        return bytes((await self._received.get(),))

    def received(self) -> bytes:
        """All that has arrived and was not taken yet."""
        data = bytearray()
        while not self._received.empty():
            data.append(self._received.get_nowait())
        return bytes(data)
