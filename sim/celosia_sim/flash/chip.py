# SPDX-License-Identifier: BSD-2-Clause
"""A Winbond W25Q128JV, 16 MiB of serial flash memory, edge by edge.

From its datasheet, revision M of 24 December 2024: the commands of section 8.2, the status
registers of 7.1, the times of 9.6. That of the part W25Q128JV-DTR adds what parts -IM do and -IQ do
not: QE is 0 at power-up, and mode bits M5-4 = 10 of command EBh begin a continuous read. The model
has both, so that whoever works with it works with either.

It does not forgive: what a real memory would ignore, or might do wrong, raises a ``FlashError``.
Exempt are a power-down, in which all but its end is ignored, and commands that are cut short,
as a reset of the FPGA can come at any time.
"""

from __future__ import annotations

from collections.abc import Callable

from .commands import (
    ARRAY,
    BUSY,
    CONTINUOUS,
    DEVICE_ID,
    JEDEC_ID,
    OTHERS,
    QUAD_ENABLED,
    READS,
    SIZE,
    WRITE_ENABLED,
    Read,
)
from .limits import FlashError, Limits


class W25Q128JV:
    """The memory, with ``content`` from address 0 on and erased bytes behind it.

    Time is in nanoseconds and must not go back. ``lines`` are the levels of IO3..IO0, ``driven``
    which of them the other side drives; the rest has resistors to the supply. ``output`` and
    ``outputs`` are the levels that the memory drives, and which lines it drives.

    ``log`` keeps the commands that took effect.
    """

    def __init__(
        self, content: bytes, *, limits: Limits | None = None, power_down: bool = False
    ) -> None:
        if len(content) > SIZE:
            raise ValueError(f"content must have at most {SIZE} bytes, not {len(content)}")
        self.content = content
        self.limits = limits or Limits()
        self.power_down = power_down
        self.continuous = False
        self.status = [0, 0]
        self.log: list[int] = []
        self.output = 0
        self.outputs = 0
        self.selected = False
        self._permanent = [0, 0]
        self._volatile_enabled = False
        self._reset_enabled = False
        self._busy_until = -1.0
        self._busy = ""
        self._deselected_at = -1e9
        self._deselect_time = 0.0
        self._rose_at = self._fell_at = -1e9
        self._begin()

    def _begin(self) -> None:
        """Nothing of a command has arrived."""
        self._command: int | None = None
        self._bits = 0
        self._value = 0
        self._floating = False
        self._read: Read | None = None
        self._dummies = 0
        self._next: Callable[[int, int], None] = self._command_bit
        self._answer: bytes = b""
        self._answer_base = 0
        self._position = -1  # of the next bits of the answer
        self._quad = False
        self._period = self.limits.clock

    def _check(self, good: bool, time: float, message: str) -> None:
        if not good:
            raise FlashError(f"flash memory, {time:.1f} ns: {message}")

    def select(self, time: float) -> None:
        """/CS falls."""
        self._check(not self.selected, time, "selected twice")
        high = time - self._deselected_at
        self._check(
            high >= self._deselect_time,
            time,
            f"deselected for {high:.1f} ns only, not {self._deselect_time:.0f}",
        )
        if time < self._busy_until and self._busy != "write":
            raise FlashError(
                f"flash memory, {time:.1f} ns: selected during {self._busy}, "
                f"{self._busy_until - time:.0f} ns too early"
            )
        self._update(time)
        self.selected = True
        self._selected_at = time
        self._rose_at = -1e9
        self._begin()
        if self.continuous and not self.power_down:
            self._command = 0xEB
            self._read = CONTINUOUS
            self._next = self._address_nibble

    def deselect(self, time: float) -> None:
        """/CS rises: what does not read is carried out now."""
        self._check(self.selected, time, "deselected twice")
        held = time - self._rose_at
        self._check(held >= self.limits.chsh, time, f"deselected {held:.1f} ns behind the clock")
        self._update(time)
        self.selected = False
        self.outputs = 0
        self._deselected_at = time
        command = self._command
        is_array = command in ARRAY
        self._deselect_time = self.limits.shsl1 if is_array else self.limits.shsl2
        if command is None or (self.power_down and command != 0xAB):
            return
        self._finish(command, time)

    def rise(self, time: float, lines: int, driven: int) -> None:
        """The serial clock rises."""
        if not self.selected:
            return
        period = time - self._rose_at
        if period < self._period:
            self._check(False, time, f"the clock's period is {period:.2f} ns")
        if time - self._selected_at < self.limits.slch:
            self._check(False, time, "the clock rises too soon behind the selection")
        if time - self._fell_at < self.limits.half:
            self._check(False, time, f"the clock is low for {time - self._fell_at:.2f} ns only")
        self._rose_at = time
        if driven & self.outputs:
            self._check(False, time, f"both sides drive lines {driven & self.outputs:#06b}")
        if self._position >= 0:
            return
        if not self.status[1] & QUAD_ENABLED and driven & ~lines & 0b1000:
            self._check(False, time, "line 3 is low, which is /HOLD while QE is 0")
        self._next(lines | ~driven & 0xF, driven)

    def fall(self, time: float) -> None:
        """The serial clock falls: the next bits of an answer appear."""
        if not self.selected:
            return
        if time - self._rose_at < self.limits.half:
            self._check(False, time, f"the clock is high for {time - self._rose_at:.2f} ns only")
        self._fell_at = time
        position = self._position
        if position < 0:
            return
        self._position = position + 1
        if self._quad:
            byte = self._byte(position >> 1)
            self.output = byte & 0xF if position & 1 else byte >> 4
            self.outputs = 0b1111
        else:
            self.output = (self._byte(position >> 3) >> (7 - position % 8) & 1) << 1
            self.outputs = 0b0010

    def _byte(self, index: int) -> int:
        if self._command in ARRAY:
            address = (self._answer_base + index) % SIZE
            return self.content[address] if address < len(self.content) else 0xFF
        return self._answer[index % len(self._answer)]

    # What a rising edge brings, by the part of the command.

    def _command_bit(self, lines: int, driven: int) -> None:
        self._check(driven & 1 == 1, self._rose_at, "nobody drives line 0 during a command")
        self._value = self._value << 1 | lines & 1
        self._bits += 1
        if self._bits < 8:
            return
        command = self._command = self._value
        self._bits = self._value = 0
        self._next = self._more
        if self.power_down and command != 0xAB:
            return
        if command not in READS and command not in OTHERS:
            self._check(False, self._rose_at, f"command {command:02X}h is unknown")
        if self.busy and command not in (0x05, 0x35):
            self._check(False, self._rose_at, f"command {command:02X}h while a register is written")
        if command != 0x99:
            self._reset_enabled = False
        read = self._read = READS.get(command)
        if read is None:
            return
        quad_enabled = self.status[1] & QUAD_ENABLED
        if read.lines == 4 and not quad_enabled:
            self._check(False, self._rose_at, f"command {command:02X}h while QE is 0")
        if command == 0x03:
            self._period = self.limits.slow_clock
        if read.address:
            self._next = self._address_nibble if read.address == 4 else self._address_bit
        elif read.dummies:
            self._dummies = read.dummies
            self._next = self._dummy
        else:
            self._begin_answer()

    def _address_bit(self, lines: int, driven: int) -> None:
        self._floating |= not driven & 1
        self._value = self._value << 1 | lines & 1
        self._bits += 1
        if self._bits == 24:
            self._address_done()

    def _address_nibble(self, lines: int, driven: int) -> None:
        self._floating |= driven != 0xF
        self._value = self._value << 4 | lines
        self._bits += 4
        if self._bits == 24:
            self._address_done()

    def _address_done(self) -> None:
        assert self._read is not None
        self._answer_base = self._value
        self._bits = self._value = 0
        self._dummies = self._read.dummies
        if self._read.mode:
            self._next = self._mode
        elif self._dummies:
            self._next = self._dummy
        else:
            self._begin_answer()

    def _mode(self, lines: int, driven: int) -> None:
        """M7-4, then M3-0 which mean nothing."""
        self._bits += 4
        if self._bits == 4:
            self.continuous = lines & 0b11 == 0b10
            known = driven & 0b11 == 0b11 or driven & lines & 1
            self._check(bool(known), self._rose_at, "nobody drives mode bits M5-4")
        else:
            self._next = self._dummy

    def _dummy(self, lines: int, driven: int) -> None:
        assert self._read is not None
        self._dummies -= 1
        if self._dummies:
            return
        answering = 0b1111 if self._read.lines == 4 else 0b0010
        self._check(
            not driven & answering,
            self._rose_at,
            "the lines of the answer are still driven at the last clock before it",
        )
        self._begin_answer()

    def _begin_answer(self) -> None:
        """The answer appears from the falling edge of this clock on."""
        assert self._read is not None
        command = self._command
        self._update(self._rose_at)
        self._check(not self._floating, self._rose_at, "nobody drove some bits of the address")
        self._quad = self._read.lines == 4
        self._position = 0
        if command == 0x9F:
            self._answer = JEDEC_ID
        elif command == 0xAB:
            self._answer = DEVICE_ID
        elif command in (0x05, 0x35):
            self._answer = bytes((self.status[command == 0x35] | (BUSY if self.busy else 0),))

    def _more(self, lines: int, driven: int) -> None:
        """Bits behind a command that does not answer: values of registers."""
        if not self.power_down:
            self._check(
                self._command in (0x01, 0x31, 0xFF),
                self._rose_at,
                f"a clock behind command {self._command:02X}h, which is complete",
            )
        self._value = self._value << 1 | lines & 1
        self._bits += 1

    # What commands do.

    @property
    def busy(self) -> bool:
        """Whether a register is being written."""
        return self._busy == "write"

    def _update(self, time: float) -> None:
        if time >= self._busy_until:
            self._busy = ""

    def _finish(self, command: int, time: float) -> None:
        limits = self.limits
        if command in (0x01, 0x31):
            if self._bits == 8 or (self._bits == 16 and command == 0x01):
                self._write_status(command, time)
                self.log.append(command)
            return
        answered = self._position >= 0
        if self._read is not None and not answered and command != 0xAB:
            return
        if command == 0x66:
            self._reset_enabled = True
        elif command == 0x99:
            self._check(self._reset_enabled, time, "99h not right behind 66h")
            self._reset_enabled = False
            self.status = list(self._permanent)
            self.continuous = self._volatile_enabled = False
            self._wait("its reset", time + limits.rst)
        elif command == 0xAB:
            whole = answered or self._dummies == READS[0xAB].dummies
            self._check(whole, time, "ABh with some of its dummy clocks only")
            self.power_down = False
            self._wait("its release", time + (limits.res2 if answered else limits.res1))
        elif command == 0xB9:
            self.power_down = True
            self._wait("its power-down", time + limits.dp)
        elif command == 0x06:
            self.status[0] |= WRITE_ENABLED
        elif command == 0x04:
            self.status[0] &= ~WRITE_ENABLED
        self._volatile_enabled = command == 0x50
        self.log.append(command)

    def _write_status(self, command: int, time: float) -> None:
        permanent = bool(self.status[0] & WRITE_ENABLED)
        self._check(
            permanent or self._volatile_enabled,
            time,
            f"{command:02X}h without 50h or 06h right before it",
        )
        value = self._value
        first = command == 0x31
        values = [value] if self._bits == 8 else [value >> 8, value & 0xFF]
        for index, byte in enumerate(values, start=first):
            self.status[index] = byte & (0xFC if index == 0 else 0xFF)
            if permanent:
                self._permanent[index] = self.status[index]
        if permanent:
            self.status[0] &= ~WRITE_ENABLED
            self._wait("write", time + self.limits.w)
        self._volatile_enabled = False

    def _wait(self, name: str, until: float) -> None:
        self._busy = name
        self._busy_until = until
