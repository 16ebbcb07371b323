# SPDX-License-Identifier: BSD-2-Clause
"""What the W25Q128JV's commands consist of."""

from __future__ import annotations

from dataclasses import dataclass

SIZE = 1 << 24
#: Answers to 9Fh and ABh.
JEDEC_ID = bytes((0xEF, 0x40, 0x18))
DEVICE_ID = bytes((0x17,))
#: Bits of status registers 1 and 2.
BUSY, WRITE_ENABLED = 0x01, 0x02
QUAD_ENABLED = 0x02


@dataclass(frozen=True)
class Read:
    """A command that answers: clocks behind its byte, by what they are for, and lines of the
    answer."""

    address: int = 0  # lines that bring it, if there is one
    mode: bool = False
    dummies: int = 0
    lines: int = 1


READS = {
    0x03: Read(address=1),
    0x0B: Read(address=1, dummies=8),
    0x6B: Read(address=1, dummies=8, lines=4),
    0xEB: Read(address=4, mode=True, dummies=4, lines=4),
    0x05: Read(),
    0x35: Read(),
    0x9F: Read(),
    0xAB: Read(dummies=24),
}
CONTINUOUS = READS[0xEB]
OTHERS = frozenset((0xFF, 0x66, 0x99, 0xB9, 0x50, 0x06, 0x04, 0x01, 0x31))
ARRAY = frozenset((0x03, 0x0B, 0x6B, 0xEB))
