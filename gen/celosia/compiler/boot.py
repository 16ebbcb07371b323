# SPDX-License-Identifier: BSD-2-Clause
"""What lies in a board's flash memory: a boot stream (docs/protocol.md), and weights."""

from __future__ import annotations

from celosia.compiler.image import Image, ImageSpace, Section
from celosia.errors import FitError
from celosia_hw.config import AcceleratorConfig
from celosia_hw.flash.layout import WEIGHTS_OFFSET
from celosia_hw.isa import IDENT_VALUE, Register
from celosia_hw.link.protocol import Command, request

#: Words of a request that writes.
_PIECE = 4096


def mark_address(config: AcceleratorConfig) -> int:
    """Where a boot leaves its mark: the last word of the scratchpad. Images have nothing there and
    runs do not write there (the counter of END would be the first to reach it, which has none), so
    the mark stays until the next boot, whatever is loaded and run meanwhile."""
    return config.scratch_bytes - 4


def mark(image: Image) -> bytes:
    """What tells an image in flash from any other: the checksum in its file."""
    return image.to_bytes()[16:20]


def boot_stream(image: Image) -> bytes:
    """The requests that load ``image`` and leave its mark, one behind the other, with END as the
    last one."""
    requests: list[tuple[int, int, int, bytes]] = [
        (Command.SET, Register.IDENT, IDENT_VALUE, b""),
        (Command.SET, Register.CONFIG, image.config.fingerprint, b""),
    ]
    marked = Section(ImageSpace.SCRATCH, mark_address(image.config), mark(image))
    for section in (*image.sections, marked):
        if section.space == ImageSpace.EXTERNAL:
            continue
        for start in range(0, len(section.data), 4 * _PIECE):
            words = section.data[start : start + 4 * _PIECE]
            where = section.space << 28 | section.address + start
            requests.append((Command.WRITE, len(words) // 4, where, words))
    requests += [
        (Command.SET, Register.START, image.entry, b""),
        (Command.SET, Register.WATCHDOG, image.watchdog_cycles, b""),
        (Command.SET, Register.BREAKPOINT, 0, b""),
        (Command.END, 0, 0, b""),
    ]
    return b"".join(
        request(command, sequence % 256, count, argument, words)
        for sequence, (command, count, argument, words) in enumerate(requests, start=1)
    )


def flash_content(image: Image) -> bytes:
    """All that the accelerator reads from its part of the flash memory.

    Raises:
        FitError: the boot stream reaches into the place of the weights.
    """
    content = bytearray(boot_stream(image))
    if len(content) > WEIGHTS_OFFSET:
        raise FitError(
            f"{image.model}: {len(content)} bytes to boot from are more than the "
            f"{WEIGHTS_OFFSET} that there is room for; load it through the link instead"
        )
    for section in image.sections:
        if section.space == ImageSpace.EXTERNAL:
            begin = WEIGHTS_OFFSET + section.address
            content += b"\xff" * (begin + len(section.data) - len(content))
            content[begin : begin + len(section.data)] = section.data
    return bytes(content)
