# SPDX-License-Identifier: BSD-2-Clause
"""A device that follows docs/protocol.md, and lines that do to its bytes what bad lines do.

It computes with the program model, from what is in its memories.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from celosia.compiler.image import Image, ImageSpace, Section
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import IDENT_VALUE, Boot, Control, Error, Register, Space, Status
from celosia_hw.link.protocol import (
    FLAG,
    PROTOCOL_VERSION,
    Command,
    Result,
    Unstuffer,
    answer,
    checksum,
    stuff,
)
from celosia_sim.program_model import Executed, ProgramModel

HEADER = 12
_SETTABLE = (Register.START, Register.WATCHDOG, Register.BREAKPOINT, Register.CONTROL)
#: The instruction at which the fake is when its watchdog bites.
STUCK_AT = 2


class FakeDevice:
    """An accelerator behind the protocol.

    Args:
        image: what its runs are described by; what they do depends on its memories alone.
        seed: decides the contents of memories that nothing has written.
        busy_polls: how often STATUS says that a run is busy.
        flash: the image that its flash memory holds.

    ``boot`` is what a reset makes of the flash memory. ``done`` has all requests that had an
    effect; ``hangs`` makes the watchdog bite.
    """

    def __init__(
        self, image: Image, *, seed: int = 0, busy_polls: int = 2, flash: Image | None = None
    ) -> None:
        self.image = image
        self.config: AcceleratorConfig = image.config
        self.busy_polls = busy_polls
        self.hangs = False
        self.ident = IDENT_VALUE
        self.link_version = PROTOCOL_VERSION
        self.boot_polls = 0
        self.flash = flash
        self.boot = Boot.NONE if flash is None else Boot.DONE
        self.done: list[tuple[int, int, int]] = []
        self.runs = 0
        self._seeds: Iterator[int] = iter(range(seed, 1 << 30))
        self.reset()

    def reset(self) -> None:
        """As the reset button does: nothing is as it was."""
        random = np.random.default_rng([next(self._seeds), 7])
        sizes = (self.config.scratch_bytes, self.config.weight_bytes, self.config.parameter_bytes)
        self.memories = [bytearray(random.bytes(size)) for size in sizes]
        self.values = dict.fromkeys(_SETTABLE, 0)
        self.status = self.cycles = 0
        self.last: int | None = None
        self._busy = 0
        self._run: tuple[ProgramModel, Iterator[Executed]] | None = None
        self._unstuffer = Unstuffer()
        if self.flash is not None and self.boot == Boot.DONE:
            for section in self.flash.sections:
                if section.space != ImageSpace.EXTERNAL:
                    self._store(section.space << 28 | section.address, section.data)
            # The checksum in the file of the image.
            self.memories[0][-4:] = self.flash.to_bytes()[16:20]

    def receive(self, data: bytes) -> bytes:
        """What the device sends after it has received these bytes."""
        return b"".join(map(self._serve, self._unstuffer.feed(data)))

    def _serve(self, frame: bytes) -> bytes:
        header = frame[: HEADER - 4]
        if len(frame) < HEADER or checksum(header) != frame[HEADER - 4 : HEADER]:
            return b""
        command, number = header[0], header[1]
        count, argument = (int.from_bytes(header[i:j], "little") for i, j in ((2, 4), (4, 8)))
        content = frame[HEADER:]
        payload = b""
        if command in (Command.READ, Command.IDENTIFY):
            result, payload = self._read(count, argument)
            if command == Command.IDENTIFY and result == Result.OK:
                self.last = number
        elif command in (Command.WRITE, Command.SET):
            if command == Command.WRITE and len(content) < 4 * count + 4:
                # Cut off: some words were written before that was known.
                if self._follows(number) and self._write_fault(count, argument) is None:
                    self._store(argument, content[: len(content) & ~3])
                return b""
            if number == self.last:
                result = Result.OK
            elif not self._follows(number):
                result = Result.SEQUENCE
            else:
                change = self._write if command == Command.WRITE else self._set
                result = change(count, argument, content)
                if result == Result.OK:
                    self.last = number
                    self.done.append((command, count, argument))
        else:
            result = Result.COMMAND
        return stuff(answer(number, result, payload))

    def _follows(self, number: int) -> bool:
        return self.last is not None and number == (self.last + 1) % 256

    def _read(self, count: int, argument: int) -> tuple[Result, bytes]:
        space, address = argument >> 28, argument & (1 << 28) - 1
        if not count:
            return Result.LENGTH, b""
        if space == 3 and address % 4 == 0 and address // 4 + count <= 16:
            self._poll()
            numbers = range(address // 4, address // 4 + count)
            return Result.OK, b"".join(self._register(n).to_bytes(4, "little") for n in numbers)
        if space != Space.SCRATCH or address % 4 or address + 4 * count > len(self.memories[0]):
            return Result.ADDRESS, b""
        if self._busy:
            return Result.STATE, b""
        return Result.OK, bytes(self.memories[0][address : address + 4 * count])

    def _register(self, number: int) -> int:
        status = self.status | (1 << Status.BUSY if self._busy else 0)
        boot = Boot.BUSY if self.boot_polls else self.boot
        values = {
            Register.IDENT: self.ident,
            Register.CONFIG: self.config.fingerprint,
            Register.LINK: self.link_version,
            Register.SCRATCH_BYTES: self.config.scratch_bytes,
            Register.WEIGHT_BYTES: self.config.weight_bytes,
            Register.PARAMETER_BYTES: self.config.parameter_bytes,
            Register.STATUS: status | boot << Status.BOOT,
            Register.CYCLES: self.cycles,
        }
        return values.get(Register(number), 0) if number in list(Register) else 0

    def _write_fault(self, count: int, argument: int) -> Result | None:
        space, address = argument >> 28, argument & (1 << 28) - 1
        steps = (4, self.config.weight_stride, self.config.parameter_stride)
        if not count:
            return Result.LENGTH
        if space > 2 or address % steps[space] or address + 4 * count > len(self.memories[space]):
            return Result.ADDRESS
        return Result.STATE if self._busy else None

    def _store(self, argument: int, content: bytes) -> None:
        address = argument & (1 << 28) - 1
        self.memories[argument >> 28][address : address + len(content)] = content

    def _write(self, count: int, argument: int, content: bytes) -> Result:
        fault = self._write_fault(count, argument)
        if fault is not None:
            return fault
        words, check = content[: 4 * count], content[4 * count : 4 * count + 4]
        self._store(argument, words)
        return Result.OK if checksum(words) == check else Result.CHECKSUM

    def _set(self, number: int, value: int, _content: bytes) -> Result:
        if number in (Register.IDENT, Register.CONFIG):
            return Result.OK if self._register(number) == value else Result.MISMATCH
        if number not in _SETTABLE:
            return Result.COMMAND
        if number == Register.CONTROL:
            if value & 1 << Control.RESET:
                self.status, self._busy, self._run = self.status & ~0xFF, 0, None
            elif value & (1 << Control.START | 1 << Control.CONTINUE):
                if self._busy:
                    return Result.STATE
                if value & 1 << Control.START:
                    self._start()
                elif self.status & 1 << Status.PAUSED:
                    self._go_on()
        self.values[Register(number)] = value
        return Result.OK

    def _start(self) -> None:
        self.cycles = 0
        self._run = None
        self.runs += 1
        self._go_on()

    def _go_on(self) -> None:
        self.status &= ~0xFF
        self._busy = self.busy_polls + 1
        self._poll()

    def _poll(self) -> None:
        """Time goes by when somebody looks."""
        self.boot_polls = max(0, self.boot_polls - 1)
        if not self._busy:
            return
        self._busy -= 1
        self.cycles += 100
        if self._busy:
            return
        if self.hangs:
            self.cycles = self.values[Register.WATCHDOG]
            self.status = STUCK_AT << Status.INSTRUCTION | Error.WATCHDOG << Status.ERROR
            return
        ended = self._compute()
        executed = self._executed if not ended else len(self.image.instructions) - 1
        flag = Status.DONE if ended else Status.PAUSED
        self.status = executed << Status.INSTRUCTION | 1 << flag

    def _compute(self) -> bool:
        """Computes up to the breakpoint; whether it reaches the end."""
        model, executes = self._run or self._begin()
        self._run = model, executes
        scratch = model.machine.scratch[: len(self.memories[0])]
        scratch[:] = np.frombuffer(self.memories[0], np.uint8)
        paused = False
        for executed in executes:
            self._executed = executed.index + 1
            paused = self._executed == self.values[Register.BREAKPOINT]
            if paused:
                break
        self.memories[0][:] = scratch.tobytes()
        # The model does not count cycles: each instruction takes what is predicted.
        cycles = [info.cycles for info in self.image.instructions]
        done = self._executed if paused else len(cycles) - 1
        ends = np.cumsum(cycles[:done]).astype("<u4")
        self._store(self.image.profile_base, ends.tobytes())
        self.cycles = sum(cycles[:done]) + (0 if paused else 5)
        return not paused

    def _begin(self) -> tuple[ProgramModel, Iterator[Executed]]:
        """The program model with what is in the memories now."""
        self._executed = 0
        spaces = (ImageSpace.SCRATCH, ImageSpace.WEIGHTS, ImageSpace.PARAMETERS)
        sections = tuple(
            Section(space, 0, bytes(memory))
            for space, memory in zip(spaces, self.memories, strict=True)
        )
        held = self.flash.sections if self.flash else ()
        external = tuple(s for s in held if s.space == ImageSpace.EXTERNAL)
        image = replace(self.image, sections=sections + external, entry=self.values[Register.START])
        model = ProgramModel(image)
        return model, model.run([model.read(port) for port in image.inputs])


@dataclass(frozen=True)
class Faults:
    """Probabilities that a message (a request, or an answer) suffers each of these. Requests are
    never ``late``: a host's own bytes stay in order."""

    lost: float = 0.0
    cut: float = 0.0
    flipped: float = 0.0
    noise: float = 0.0
    twice: float = 0.0
    late: float = 0.0


class FakeLine:
    """A transport with the device at its other end. A read that finds nothing returns at once, as
    if the timeout were over; late bytes then arrive at the next one.

    ``faults_there`` and ``faults_back`` count what was done to requests and to answers. After
    ``dies_after`` requests nothing is answered any more.
    """

    name = "fake"
    bytes_per_second = 1e9

    def __init__(
        self,
        device: FakeDevice,
        *,
        there: Faults | None = None,
        back: Faults | None = None,
        seed: int = 0,
    ) -> None:
        self.device = device
        self.there = there or Faults()
        self.back = back or Faults()
        self.random = np.random.default_rng([seed, 3])
        self.faults_there = self.faults_back = 0
        self.dies_after: int | None = None
        self.closed = False
        self._arrived = bytearray()
        self._late = bytearray()
        self._silent_reads = 0

    def write(self, data: bytes) -> None:
        if self.dies_after is not None:
            if not self.dies_after:
                return
            self.dies_after -= 1
        faulty, _ = self._suffer(data, self.there)
        self.faults_there += faulty != data
        sent = self.device.receive(faulty)
        if not sent:
            return
        arrived, late = self._suffer(sent, self.back)
        self.faults_back += arrived != sent
        self._arrived += arrived
        self._late += late

    def read(self, timeout: float) -> bytes:
        assert timeout > 0
        if self._arrived:
            length = int(self.random.integers(1, len(self._arrived) + 1))
            data = bytes(self._arrived[:length])
            del self._arrived[:length]
            return data
        self._arrived, self._late = self._late, bytearray()
        return b""

    def close(self) -> None:
        self.closed = True

    def _suffer(self, data: bytes, faults: Faults) -> tuple[bytes, bytes]:
        """What arrives of a message, and what arrives late."""
        random = self.random
        if random.random() < faults.lost:
            return b"", b""
        changed = bytearray(data)
        if random.random() < faults.cut:
            start = int(random.integers(len(changed)))
            del changed[start : start + int(random.integers(1, 5))]
        if random.random() < faults.flipped and changed:
            for _ in range(int(random.integers(1, 4))):
                changed[int(random.integers(len(changed)))] ^= 1 << int(random.integers(8))
        if random.random() < faults.noise:
            at = int(random.integers(len(changed) + 1))
            noise = bytes([FLAG]) * int(random.integers(2)) + random.bytes(int(random.integers(9)))
            changed[at:at] = noise
        if random.random() < faults.twice:
            changed += bytes(changed)
        if random.random() < faults.late:
            return b"", bytes(changed)
        return bytes(changed), b""
