# SPDX-License-Identifier: BSD-2-Clause
"""What fills the weight and the parameter memory: residency, ring positions, segment lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from celosia_hw.isa import SEGMENT_BITS, Source

#: Bytes of a segment in a list, and of the terminator behind the last one.
SEGMENT_BYTES = 8
#: Bytes that a segment can have.
_LONGEST = 4 * ((1 << SEGMENT_BITS) - 1)


@dataclass
class Stream:
    """One memory's contents: ``data`` without repetitions, and who uses which part of it.

    ``base`` maps the key of a step to its first row: an address where the memory is resident, a
    position of the ring otherwise. ``segments`` are (offset in ``data``, bytes) in the order of
    consumption; a part that is used again is listed again.
    """

    source: Source
    row_bytes: int
    depth: int
    data: bytes = b""
    base: dict[int, int] = field(default_factory=dict)
    segments: list[tuple[int, int]] = field(default_factory=list)

    @property
    def list_bytes(self) -> int:
        """Bytes of the segment list in the scratchpad."""
        return 0 if self.source == Source.RESIDENT else SEGMENT_BYTES * (len(self.segments) + 1)

    @property
    def rows(self) -> int:
        return len(self.data) // self.row_bytes

    def segment_list(self, address: int) -> bytes:
        """The list for ``data`` that begins at ``address``."""
        parts = [
            (address + offset).to_bytes(4, "little") + (length // 4).to_bytes(4, "little")
            for offset, length in self.segments
        ]
        return b"".join(parts) + bytes(SEGMENT_BYTES)


def resident_rows(users: Sequence[tuple[int, bytes]], row_bytes: int) -> int:
    """Rows that a memory needs to hold everything at once."""
    return sum(len(data) for data in {data for _, data in users}) // row_bytes


def build(users: Sequence[tuple[int, bytes]], source: Source, row_bytes: int, depth: int) -> Stream:
    """The stream for ``users``, pairs of a step's key and its rows, in order of execution."""
    stream = Stream(source, row_bytes, depth)
    known: dict[bytes, int] = {}
    pool = bytearray()
    consumed = 0
    for key, data in users:
        if data not in known:
            known[data] = len(pool)
            pool += data
        offset = known[data]
        if source == Source.RESIDENT:
            stream.base[key] = offset // row_bytes
            continue
        stream.base[key] = consumed % depth
        consumed += len(data) // row_bytes
        if stream.segments and sum(stream.segments[-1]) == offset:
            offset, length = stream.segments.pop()
            length += len(data)
        else:
            length = len(data)
        while length > _LONGEST:
            stream.segments.append((offset, _LONGEST))
            offset, length = offset + _LONGEST, length - _LONGEST
        stream.segments.append((offset, length))
    stream.data = bytes(pool)
    return stream
