# SPDX-License-Identifier: BSD-2-Clause
"""An accelerator behind a link: identifies it, fills its memories, runs its program."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from celosia.compiler.boot import mark, mark_address
from celosia.compiler.image import Image, ImageSpace, Section
from celosia_hw.isa import IDENT_VALUE, Boot, Control, Error, Register, Space, Status
from celosia_hw.link.protocol import PROTOCOL_VERSION, Result

from .errors import DeviceError, IncompatibleError, RequestError, RunError, StateLostError
from .link import PIECE_BYTES, Link

#: Called with what is done and how much there is to do, in bytes, and what is at work.
Written = Callable[[int, int, str], None]

#: The registers that IDENTIFY is asked for: 0 to CYCLES.
_REGISTERS = Register.CYCLES + 1
#: No accelerator is slower, simulated ones included.
_SLOWEST_HZ = 10_000
#: Seconds between two looks at a run that goes on.
_FIRST_PAUSE, _LAST_PAUSE = 0.0005, 0.05
#: Seconds before the first of them at most: a prediction, or a clock, may be wrong.
_LONGEST_PAUSE = 2.0
#: Seconds that a boot from flash may take.
_BOOT_SECONDS = 30.0
#: Seconds that CYCLES may stand still in a run.
_STILL_SECONDS = 60.0


@dataclass(frozen=True)
class State:
    """STATUS and CYCLES at one time."""

    status: int
    cycles: int

    def flag(self, bit: Status) -> bool:
        return bool(self.status >> bit & 1)

    @property
    def error(self) -> int:
        return self.status >> Status.ERROR & 15

    @property
    def boot(self) -> int:
        return self.status >> Status.BOOT & 3

    @property
    def instruction(self) -> int:
        return self.status >> Status.INSTRUCTION


class RemoteAccelerator:
    """The accelerator at the other end of ``link``, once ``identify`` has found one.

    All methods raise DeviceError, by its subclasses as the link does; StateLostError means that
    everything has to be written again.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        #: Fingerprint of the configuration.
        self.fingerprint = 0

    @property
    def name(self) -> str:
        """The port, for messages."""
        return self.link.transport.name

    def identify(self) -> None:
        """Begins to number anew, and checks that it is an accelerator of these versions.

        Raises:
            IncompatibleError: it is not.
        """
        end = time.monotonic() + _BOOT_SECONDS
        while True:
            content = self.link.identify(_REGISTERS)
            words = [int.from_bytes(content[i : i + 4], "little") for i in range(0, 32, 4)]
            self._check_versions(words)
            state = State(words[Register.STATUS], words[Register.CYCLES])
            if state.boot != Boot.BUSY:
                break
            if time.monotonic() > end:
                raise DeviceError(f"{self.name}: the device does not end to boot from its flash")
            time.sleep(_LAST_PAUSE)
        self.fingerprint = words[Register.CONFIG]

    def _check_versions(self, words: list[int]) -> None:
        ident, link = words[Register.IDENT], words[Register.LINK] & 0xFF
        if ident >> 8 != IDENT_VALUE >> 8:
            raise IncompatibleError(
                f"{self.name}: what answers is no accelerator of Celosia: its IDENT is {ident:#x}"
            )
        if ident != IDENT_VALUE:
            raise IncompatibleError(
                f"{self.name}: the device has version {ident & 0xFF} of the instruction set, this "
                f"version of Celosia has {IDENT_VALUE & 0xFF}; build and program its design anew"
            )
        if link != PROTOCOL_VERSION:
            raise IncompatibleError(
                f"{self.name}: the device has version {link} of the protocol, this version of "
                f"Celosia has {PROTOCOL_VERSION}; build and program its design anew"
            )

    def check(self, image: Image) -> None:
        """Raises IncompatibleError unless the image is for this accelerator, and the board's flash
        holds the weights that it streams."""
        if self.fingerprint != image.config.fingerprint:
            raise IncompatibleError(
                f"{self.name}: the image of {image.model} is for an accelerator with the "
                f"fingerprint {image.config.fingerprint:#010x} ({image.config.name}), the device "
                f"has {self.fingerprint:#010x}; generate the model with --hardware and the folder "
                "that the device's bitstream was built in, or program the bitstream of this "
                "model's folder"
            )
        if image.streams:
            self._check_flash(image)

    def _check_flash(self, image: Image) -> None:
        """Nothing but its boot tells what is in the flash: a run with other weights ends well."""
        state = self.state()
        if state.boot == Boot.BUSY:
            raise StateLostError(f"{self.name}: the device was reset, it boots")
        if state.flag(Status.BUSY):
            self.link.set(Register.CONTROL, 1 << Control.RESET)
        if state.boot == Boot.NONE:
            found = "its design does not boot from flash"
        elif state.boot == Boot.FAILED:
            found = "it found no good image there when it booted"
        elif self.read_scratch(mark_address(image.config), 4) != mark(image):
            found = "it booted another image from there"
        else:
            return
        raise IncompatibleError(
            f"{self.name}: {image.model} streams its weights from the board's flash, and the "
            f"device does not have them: {found}; 'celosia program' with this model's folder "
            "writes them"
        )

    def state(self) -> State:
        return State(*self.link.registers(Register.STATUS, 2))

    def write_image(self, image: Image, written: Written) -> State:
        """Fills all memories but the one behind the external port, which is the board's flash.

        Returns:
            The state that the accelerator rests in.
        """
        self.check(image)
        try:
            self.link.set(Register.IDENT, IDENT_VALUE)
            self.link.set(Register.CONFIG, image.config.fingerprint)
        except RequestError as error:
            if error.result != Result.MISMATCH:
                raise
            raise StateLostError(f"{self.name}: it is another device than before") from None
        self.link.set(Register.CONTROL, 1 << Control.RESET)
        sections = [s for s in image.sections if s.space != ImageSpace.EXTERNAL]
        total, done = sum(len(section.data) for section in sections), 0
        for section in sections:
            for address, data in _pieces(section):
                written(done, total, section.space.name.lower())
                self.link.write(section.space, address, data)
                done += len(data)
        self.link.set(Register.START, image.entry)
        self.link.set(Register.WATCHDOG, image.watchdog_cycles)
        self.link.set(Register.BREAKPOINT, 0)
        # Had the memories been lost meanwhile, so would be what was written first.
        address, data = _pieces(next(s for s in sections if s.space == ImageSpace.SCRATCH))[0]
        if self.read_scratch(address, len(data)) != data:
            raise StateLostError(f"{self.name}: the device was reset while it was written to")
        written(total, total, "")
        return self.state()

    def check_state(self, state: State) -> None:
        """Raises StateLostError unless this is the state."""
        if self.state() != state:
            raise StateLostError(
                f"{self.name}: the device is not in the state that it was left in; was it reset, "
                "or does another program talk to it?"
            )

    def write_scratch(self, address: int, content: bytes) -> None:
        """Writes bytes to any place of the scratchpad; words that are written in part keep the
        other bytes."""
        if before := address % 4:
            content = self.link.read(address - before, 4)[:before] + content
            address -= before
        if after := -len(content) % 4:
            content += self.link.read(address + len(content) + after - 4, 4)[4 - after :]
        for start, data in _pieces(Section(ImageSpace.SCRATCH, address, content)):
            self.link.write(Space.SCRATCH, start, data)

    def read_scratch(self, address: int, length: int) -> bytes:
        """Bytes of the scratchpad from any address on."""
        before = address % 4
        content = self.link.read(address - before, before + length + -(before + length) % 4)
        return content[before : before + length]

    def start(self) -> None:
        self.link.set(Register.CONTROL, 1 << Control.START)

    def run_part(self, image: Image, clock_mhz: float | None, first: int, end: int) -> State:
        """Starts a run, or goes on with one that has paused in front of instruction ``first``, and
        waits until it pauses in front of instruction ``end``, or is over if there is none.

        A run that is over too early is not an error here.
        """
        pauses = end < len(image.instructions)
        self.link.set(Register.BREAKPOINT, end if pauses else 0)
        self.link.set(Register.CONTROL, 1 << (Control.CONTINUE if first else Control.START))
        expected = sum(info.cycles for info in image.instructions[first:end])
        return self._wait(image, clock_mhz, expected, pauses=pauses)

    def end_run(self) -> None:
        """Ends a run, a paused one as well; the next one does not pause."""
        self.link.set(Register.CONTROL, 1 << Control.RESET)
        self.link.set(Register.BREAKPOINT, 0)

    def wait(self, image: Image, clock_mhz: float | None) -> State:
        """Waits for the end of a run; it takes a while until the clock says that it may be over.

        Raises:
            RunError: it ended with an error, or goes on beyond any limit.
        """
        return self._wait(image, clock_mhz, image.cycles, pauses=False)

    def _wait(self, image: Image, clock_mhz: float | None, expected: int, *, pauses: bool) -> State:
        begin = moved = time.monotonic()
        limit = self.link.timeout + image.watchdog_cycles / _SLOWEST_HZ
        if clock_mhz:
            time.sleep(min(expected / (1e6 * clock_mhz), _LONGEST_PAUSE))
        pause, before = _FIRST_PAUSE, -1
        while True:
            state = self.state()
            if not state.flag(Status.BUSY):
                break
            now = time.monotonic()
            if state.cycles != before:
                before, moved = state.cycles, now
            if now - moved > _STILL_SECONDS or now - begin > limit:
                raise self._failed(image, state, f"goes on after {now - begin:.0f} seconds")
            time.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)
        if state.error:
            raise self._failed(image, state, _reason(state.error, image))
        if not state.flag(Status.DONE) and not (pauses and state.flag(Status.PAUSED)):
            raise StateLostError(f"{self.name}: the device was reset while it ran")
        return state

    def _failed(self, image: Image, state: State, what: str) -> RunError:
        number, layer, where = state.instruction, "", ""
        if number < len(image.instructions):
            info = image.instructions[number]
            if info.layer >= 0:
                found = image.layers[info.layer]
                layer, where = found.name, f", in layer {found.name} ({found.op})"
            where = f"{info.opcode}{where}"
        return RunError(
            f"{self.name}: the run of {image.model} {what}, at instruction {number} ({where}), "
            f"after {state.cycles:,} cycles",
            instruction=number,
            layer=layer,
        )


def _reason(error: int, image: Image) -> str:
    if error == Error.WATCHDOG:
        return (
            f"was ended by the watchdog, which allows {image.watchdog_cycles:,} cycles where "
            f"{image.cycles:,} are predicted"
        )
    if error == Error.OPCODE:
        return "met an unknown instruction"
    if error == Error.ACCESS:
        return "was disturbed: something else accessed the accelerator's memory"
    return f"ended with the unknown error {error}"


def _pieces(section: Section) -> list[tuple[int, bytes]]:
    """Addresses and bytes of a section's parts; they begin at rows where the section does."""
    return [
        (section.address + start, section.data[start : start + PIECE_BYTES])
        for start in range(0, len(section.data), PIECE_BYTES)
    ]
