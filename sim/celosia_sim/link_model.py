# SPDX-License-Identifier: BSD-2-Clause
"""What a link's endpoint does with each byte, as docs/protocol.md defines it: bytes in, bytes out.

``Endpoint`` is the protocol alone. What it reads, writes and sets is a ``Target``, of which
``Memories`` is one without an accelerator behind it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import IDENT_VALUE, Boot, Control, Error, Register, Space, Status
from celosia_hw.link.checks import READABLE
from celosia_hw.link.protocol import (
    CHECKSUM_BYTES,
    ESCAPE,
    ESCAPE_CHANGE,
    FLAG,
    PROTOCOL_VERSION,
    REGISTER_SPACE,
    REQUEST_BYTES,
    Command,
    Result,
    answer,
    checksum,
    stuff,
)

SETTABLE = (Register.START, Register.WATCHDOG, Register.BREAKPOINT, Register.CONTROL)
COMPARED = (Register.IDENT, Register.CONFIG)
_U32 = (1 << 32) - 1


class Target(Protocol):
    """What is behind an endpoint. Addresses count bytes, words have 32 bits."""

    @property
    def busy(self) -> bool:
        """Whether a run is; then only registers are accessed."""

    def size(self, space: int) -> int:
        """Bytes of a space, zero if there is none."""

    def row(self, space: int) -> int:
        """What an address of it must be a multiple of."""

    def read(self, space: int, address: int) -> int: ...

    def write(self, space: int, address: int, word: int) -> None: ...

    def set(self, register: int, value: int) -> None: ...


class Endpoint:
    """Answers requests.

    While an answer is sent, which begins with the last byte of the request's last checksum and
    takes as long as it has bytes, the accelerator hears nothing.
    """

    def __init__(self, target: Target, *, last: int | None = None) -> None:
        self.target = target
        #: Number of the last request that counted, if there was one since the reset.
        self.last = last
        self._deaf = 0
        self._forget()

    def _forget(self, *, listening: bool = False) -> None:
        """Waits for a flag, or, behind one, for a request."""
        self._listening = listening
        self._escaped = False
        self._header = bytearray()
        self._word = bytearray()
        self._left = 0
        self._address = 0
        self._checksum = 0
        self._stores = False

    def feed(self, data: bytes, *, pause: bool = True) -> bytes:
        """What is sent while ``data`` arrives, byte behind byte, and after it.

        ``pause`` says that there was time before ``data`` for all that was to be sent.
        """
        if pause:
            self._deaf = 0
        sent = b""
        for byte in data:
            if self._deaf:
                self._deaf -= 1
                continue
            reply = self._take(byte)
            self._deaf = len(reply)
            sent += reply
        return sent

    def _take(self, byte: int) -> bytes:
        if byte == FLAG:
            self._forget(listening=True)
        elif not self._listening:
            pass
        elif byte == ESCAPE:
            self._escaped = True
        else:
            if self._escaped:
                byte ^= ESCAPE_CHANGE
            self._escaped = False
            if len(self._header) < REQUEST_BYTES + CHECKSUM_BYTES:
                self._header.append(byte)
                if len(self._header) == REQUEST_BYTES + CHECKSUM_BYTES:
                    return self._decide()
            else:
                return self._take_payload(byte)
        return b""

    def _reply(self, number: int, result: Result, payload: bytes = b"") -> bytes:
        self._forget()
        return stuff(answer(number, result, payload))

    def _decide(self) -> bytes:
        """Behind the header's checksum."""
        head = bytes(self._header[:REQUEST_BYTES])
        if checksum(head) != self._header[REQUEST_BYTES:]:
            self._forget()
            return b""
        command, number = head[0], head[1]
        count = int.from_bytes(head[2:4], "little")
        argument = int.from_bytes(head[4:8], "little")
        result, repeats = self._judge(command, number, count, argument)
        if result != Result.OK:
            return self._reply(number, result)
        if command == Command.WRITE:
            self._left = count
            self._address = argument
            self._stores = not repeats
            return b""
        if command == Command.SET:
            if not repeats and count not in COMPARED:
                self.target.set(count, argument)
            self.last = number
            return self._reply(number, Result.OK)
        if command == Command.IDENTIFY:
            self.last = number
        space, address = argument >> 28, argument & ((1 << 28) - 1)
        words = (self.target.read(space, address + 4 * i) for i in range(count))
        payload = b"".join(word.to_bytes(4, "little") for word in words)
        return self._reply(number, Result.OK, payload)

    def _judge(self, command: int, number: int, count: int, argument: int) -> tuple[Result, bool]:
        """The result, in order of priority, and whether it is OK for being a repetition."""
        target = self.target
        if command not in (Command.READ, Command.WRITE, Command.SET, Command.IDENTIFY):
            return Result.COMMAND, False
        if command == Command.SET and count not in (*COMPARED, *SETTABLE):
            return Result.COMMAND, False
        numbered = command in (Command.WRITE, Command.SET)
        repeats = numbered and number == self.last
        follows = self.last is not None and number == (self.last + 1) % 256
        if numbered and not repeats and not follows:
            return Result.SEQUENCE, False
        if command == Command.SET:
            starts = 1 << Control.START | 1 << Control.CONTINUE
            starts_run = count == Register.CONTROL and argument & starts
            if starts_run and target.busy and not repeats:
                return Result.STATE, False
            if count in COMPARED and argument != target.read(REGISTER_SPACE, 4 * count):
                return Result.MISMATCH, False
            return Result.OK, repeats
        if count == 0:
            return Result.LENGTH, False
        space, address = argument >> 28, argument & ((1 << 28) - 1)
        denied = (
            (REGISTER_SPACE,)
            if command == Command.WRITE
            else (int(Space.WEIGHTS), int(Space.PARAMETERS))
        )
        size = target.size(space)
        if space in denied or address + 4 * count > size or address % target.row(space):
            return Result.ADDRESS, False
        if target.busy and space != REGISTER_SPACE:
            return Result.STATE, False
        return Result.OK, repeats

    def _take_payload(self, byte: int) -> bytes:
        """A byte of the words of a WRITE, or of their checksum."""
        self._word.append(byte)
        if len(self._word) < 4:
            return b""
        if self._left:
            if self._stores:
                space, address = self._address >> 28, self._address & ((1 << 28) - 1)
                self.target.write(space, address, int.from_bytes(self._word, "little"))
            self._checksum = zlib.crc32(self._word, self._checksum)
            self._address += 4
            self._left -= 1
            self._word.clear()
            return b""
        number = self._header[1]
        if self._checksum != int.from_bytes(self._word, "little"):
            return self._reply(number, Result.CHECKSUM)
        self.last = number
        return self._reply(number, Result.OK)


class Memories:
    """Memories and registers of an accelerator of ``config``.

    ``run`` is called when a run starts, with these memories, and returns its cycles, or an iterator
    that has the cycles behind each instruction and may be paused there. The run is busy for the
    next ``busy_polls`` readings of STATUS. One that takes more cycles than the watchdog allows ends
    by it.
    """

    def __init__(
        self,
        config: AcceleratorConfig,
        run: Callable[[Memories], int | Iterator[int]] | None = None,
        *,
        busy_polls: int = 0,
    ) -> None:
        self.config = config
        self.run = run or (lambda _: 0)
        self.busy_polls = busy_polls
        self.memory = {
            int(Space.SCRATCH): bytearray(config.scratch_bytes),
            int(Space.WEIGHTS): bytearray(config.weight_bytes),
            int(Space.PARAMETERS): bytearray(config.parameter_bytes),
        }
        self.registers = dict.fromkeys(Register, 0)
        self.registers |= {
            Register.IDENT: IDENT_VALUE,
            Register.CONFIG: config.fingerprint,
            Register.LINK: PROTOCOL_VERSION,
            Register.SCRATCH_BYTES: config.scratch_bytes,
            Register.WEIGHT_BYTES: config.weight_bytes,
            Register.PARAMETER_BYTES: config.parameter_bytes,
        }
        #: Values of START with which runs have begun.
        self.started: list[int] = []
        self.boot = Boot.NONE
        self.error = Error.NONE
        self.done = False
        self.paused = False
        self._polls = 0
        self._cycles = 0
        self._index = 0
        self._pauses = False
        self._steps: Iterator[int] = iter(())

    @property
    def busy(self) -> bool:
        return self._polls > 0

    def size(self, space: int) -> int:
        if space == REGISTER_SPACE:
            return 4 * READABLE
        return len(self.memory.get(space, b""))

    def row(self, space: int) -> int:
        return {
            int(Space.WEIGHTS): self.config.weight_stride,
            int(Space.PARAMETERS): self.config.parameter_stride,
        }.get(space, 4)

    def read(self, space: int, address: int) -> int:
        if space != REGISTER_SPACE:
            return int.from_bytes(self.memory[space][address : address + 4], "little")
        register = address // 4
        if register == Register.STATUS:
            status = int(self.busy) << Status.BUSY | int(self.done) << Status.DONE
            status |= int(self.paused) << Status.PAUSED | self.error << Status.ERROR
            status |= self.boot << Status.BOOT | self._index << Status.INSTRUCTION
            self._advance()
            return status
        return self.registers[Register(register)]

    def _advance(self) -> None:
        if self._polls:
            self._polls -= 1
            if not self._polls:
                self._end()

    def _end(self) -> None:
        limit = self.registers[Register.WATCHDOG] or 1 << 32
        expired = self._cycles > limit
        self.registers[Register.CYCLES] = min(self._cycles, limit) & _U32
        self.error = Error.WATCHDOG if expired else self.error
        self.paused = self._pauses and not expired
        self.done = not (self._pauses or expired)

    def write(self, space: int, address: int, word: int) -> None:
        self.memory[space][address : address + 4] = word.to_bytes(4, "little")

    def set(self, register: int, value: int) -> None:
        if register != Register.CONTROL:
            self.registers[Register(register)] = value
            return
        if value >> Control.RESET & 1:
            self._polls = 0
            self.done, self.paused, self.error = False, False, Error.NONE
        if value >> Control.START & 1:
            self.error = Error.NONE
            self.started.append(self.registers[Register.START])
            result = self.run(self)
            self._steps = iter((result,)) if isinstance(result, int) else result
            # A run as a whole counts no instructions.
            self._index = -1 if isinstance(result, int) else 0
            self._go_on()
        elif value >> Control.CONTINUE & 1 and self.paused:
            self._go_on()

    def _go_on(self) -> None:
        """Runs to the breakpoint or to the end."""
        self.done = self.paused = self._pauses = False
        for cycles in self._steps:
            self._cycles = cycles
            self._index += 1
            self._pauses = 0 < self._index == self.registers[Register.BREAKPOINT]
            if self._pauses:
                break
        self._polls = self.busy_polls
        if not self._polls:
            self._end()
