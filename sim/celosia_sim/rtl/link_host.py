# SPDX-License-Identifier: BSD-2-Clause
"""A host that talks the framed protocol, driven from cocotb; how bytes travel is left to others."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from celosia_hw.isa import Register, Space
from celosia_hw.link.protocol import (
    REGISTER_SPACE,
    Command,
    Result,
    Unstuffer,
    parse_answer,
    request,
    stuff,
)

from .host import Host

#: Most words of a request, so that progress is seen.
_PIECE = 1024


class LinkHost(Host):
    """Registers and memories of an accelerator behind a link."""

    def __init__(self, dut: Any) -> None:
        super().__init__(dut)
        self._sequence = 0
        self._identified = False

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Sends bytes without a pause."""

    @abstractmethod
    async def receive(self) -> bytes:
        """The next bytes of answers, at least one."""

    async def ask(self, command: int, count: int, argument: int, payload: bytes = b"") -> bytes:
        """The words that a request is answered with; asserts that it succeeds."""
        await self.send(stuff(request(command, self._sequence, count, argument, payload)))
        unstuffer = Unstuffer()
        frames: list[bytes] = []
        while not frames:
            frames = unstuffer.feed(await self.receive())
        answer = parse_answer(frames[0])
        assert answer.sequence == self._sequence, "an answer to something else"
        assert answer.result == Result.OK, f"{Command(command).name}: {Result(answer.result).name}"
        return answer.payload

    async def _do(self, command: int, count: int, argument: int, payload: bytes = b"") -> None:
        if not self._identified:
            await self.ask(Command.IDENTIFY, 1, REGISTER_SPACE << 28)
            self._identified = True
        self._sequence = (self._sequence + 1) % 256
        assert not await self.ask(command, count, argument, payload)

    async def write(self, register: Register, value: int) -> None:
        await self._do(Command.SET, register, value)

    async def read(self, register: Register) -> int:
        words = await self.ask(Command.READ, 1, REGISTER_SPACE << 28 | 4 * register)
        return int.from_bytes(words, "little")

    async def _write_units(self, space: Space, address: int, content: bytes) -> None:
        for start in range(0, len(content), 4 * _PIECE):
            piece = content[start : start + 4 * _PIECE]
            where = space << 28 | address + start
            await self._do(Command.WRITE, len(piece) // 4, where, piece)

    async def read_memory(self, address: int, length: int) -> bytes:
        start = address & ~3
        units = -(-(address + length - start) // 4)
        content = b""
        for unit in range(0, units, _PIECE):
            where = Space.SCRATCH << 28 | start + 4 * unit
            content += await self.ask(Command.READ, min(_PIECE, units - unit), where)
        return content[address - start : address - start + length]
