# SPDX-License-Identifier: BSD-2-Clause
"""A host at the far end of a serial line, driven from cocotb, with the bridge's commands.

It wakes at the edges of its own bits only, so that a simulation that waits for the line is fast.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import FallingEdge, Timer

from celosia_hw.isa import Register, Space

from .host import PERIOD_NS, Host
from .serial import frame

#: Words of a command's longest repeat, and the step from one repeat count to the next.
_LONGEST, _STEP = 64, 4


class SerialHost(Host):
    """Registers and memories of an accelerator behind ``UartBridge``.

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
            for bit in frame(value):
                self.dut.rx.value = bit
                await Timer(self._bit_ps, "ps")

    async def receive(self, count: int) -> bytes:
        """The next ``count`` bytes of answers."""
        return bytes([await self._received.get() for _ in range(count)])

    async def write_words(self, register: Register, content: bytes) -> None:
        """Writes words to one register, as many with a command as it can take."""
        left = memoryview(content)
        while left:
            words, exponent = _repeat(len(left) // 4)
            await self.send(bytes((0x80 | exponent << 4 | register,)) + left[: 4 * words])
            left = left[4 * words :]

    async def read_words(self, register: Register, count: int) -> bytes:
        """Reads words from one register."""
        content = b""
        while len(content) < 4 * count:
            words, exponent = _repeat(count - len(content) // 4)
            await self.send(bytes((exponent << 4 | register,)))
            content += await self.receive(4 * words)
            # Half a stop bit is left.
            await Timer(self._bit_ps // 2, "ps")
        return content

    async def write(self, register: Register, value: int) -> None:
        await self.write_words(register, value.to_bytes(4, "little"))

    async def read(self, register: Register) -> int:
        return int.from_bytes(await self.read_words(register, 1), "little")

    async def write_memory(self, space: Space, address: int, content: bytes) -> None:
        if space == Space.SCRATCH:
            # Units that are written in part keep their other bytes.
            if before := address % 4:
                content = await self.read_memory(address - before, before) + content
                address -= before
            if after := -len(content) % 4:
                content += await self.read_memory(address + len(content), after)
        await self.write(Register.ADDRESS, space << 28 | address)
        await self.write_words(Register.DATA, content + bytes(-len(content) % 4))

    async def read_memory(self, address: int, length: int) -> bytes:
        start = address & ~3
        await self.write(Register.ADDRESS, Space.SCRATCH << 28 | start)
        content = await self.read_words(Register.DATA, -(-(address + length - start) // 4))
        return content[address - start : address - start + length]


def _repeat(words: int) -> tuple[int, int]:
    """The most words that one command can move of this many, and its repeat count."""
    count, exponent = 1, 0
    while count < _LONGEST and count * _STEP <= words:
        count, exponent = count * _STEP, exponent + 1
    return count, exponent
