# SPDX-License-Identifier: BSD-2-Clause
"""The known-answer test: runs a model on a known input, and compares what each layer makes of it.

The run pauses behind each layer, whose result is read and compared at once: what a later layer
hides is found too, and the first layer that differs is known. It is one inference, and all that the
layers compute is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from celosia.compiler.image import Image
from celosia.compiler.self_test import Check, SelfTest, checks, checksum, known_input
from celosia.tensors import from_bytes, span, to_bytes

from .accelerator import RemoteAccelerator, State
from .errors import SelfTestError

#: Called with what is done and how much there is to do, in bytes, and what is at work.
Compared = Callable[[int, int, str], None]


@dataclass(frozen=True)
class SelfTestRun:
    """A known-answer test that was passed: the tensors that were compared, the bytes that were
    read, the cycles of the run, the same in time (None if the clock is unknown), and the seconds
    that all of it took."""

    checks: int
    bytes_read: int
    cycles: int
    milliseconds: float | None
    seconds: float


def run_self_test(
    accelerator: RemoteAccelerator,
    image: Image,
    test: SelfTest,
    clock_mhz: float | None,
    rest: State,
    compared: Compared,
) -> tuple[SelfTestRun, State]:
    """Runs ``test`` on an accelerator that rests in ``rest`` with ``image`` in it.

    Returns:
        Figures, and the state in which the accelerator rests then.

    Raises:
        SelfTestError: a checksum differs. The run was ended.
        DeviceError: as for any run.
    """
    begin = time.monotonic()
    found = checks(image)
    total, done = sum(span(check.port) for check in found), 0
    accelerator.check_state(rest)
    for port, values in zip(image.inputs, known_input(test.seed, image.inputs), strict=True):
        accelerator.write_scratch(port.address, to_bytes(port, values))
    position, state = 0, rest
    for number, (check, expected) in enumerate(zip(found, test.checksums, strict=True)):
        compared(done, total, check.layer)
        if check.instructions > position:
            state = accelerator.run_part(image, clock_mhz, position, check.instructions)
            position = check.instructions
        content = accelerator.read_scratch(check.port.address, span(check.port))
        if checksum(from_bytes(check.port, content)) != expected:
            # Unless it was reset and what was read is of no run.
            accelerator.check_state(state)
            accelerator.end_run()
            raise _failure(accelerator, image, check, number)
        done += len(content)
    if position < len(image.instructions):
        state = accelerator.run_part(image, clock_mhz, position, len(image.instructions))
    accelerator.check_state(state)
    compared(total, total, "")
    milliseconds = state.cycles / (1000 * clock_mhz) if clock_mhz else None
    seconds = time.monotonic() - begin
    return SelfTestRun(len(found), total, state.cycles, milliseconds, seconds), state


def _failure(
    accelerator: RemoteAccelerator, image: Image, check: Check, number: int
) -> SelfTestError:
    what = f"layer {check.layer} ({check.op})"
    if check.op == "output":
        what = f"output {check.layer}, which was right behind its layer,"
    flash = " and its flash" if image.streams else ""
    return SelfTestError(
        f"{accelerator.name}: the self-test of {image.model} failed: {what} differs from the "
        "integer reference, the first one that does; nothing that this device computes is to be "
        "trusted. Load the model again; if that fails too, program the board's bitstream"
        f"{flash} anew ('celosia program'), lower its clock ('celosia build --freq'), check its "
        "power supply",
        layer=check.layer,
        op=check.op,
        index=number,
    )
