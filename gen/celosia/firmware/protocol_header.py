# SPDX-License-Identifier: BSD-2-Clause
"""``celosia_protocol.h``: the numbers of links, registers and images, from their one source."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from enum import IntEnum

from celosia.compiler import image, self_test
from celosia_hw import isa
from celosia_hw.link import protocol

_TITLE = """\
/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers of docs/protocol.md and of images. Written by
 *     python -m celosia.firmware > firmware/include/celosia_protocol.h
 * from hw/celosia_hw/isa.py, hw/celosia_hw/link/protocol.py and gen/celosia/compiler/image.py:
 * do not edit. */
"""

#: What the enumerations are called in C, and what is said about each.
_ENUMERATIONS: tuple[tuple[str, type[IntEnum], str], ...] = (
    ("COMMAND", protocol.Command, "what a request asks for"),
    ("RESULT", protocol.Result, "what became of it"),
    ("SPACE", isa.Space, "memories, in bits 31:28 of an address"),
    ("REGISTER", isa.Register, "registers; their byte address is 4 times the number"),
    ("CONTROL", isa.Control, "bits of CONTROL"),
    ("STATUS", isa.Status, "lowest bits of the fields of STATUS"),
    ("RUN_ERROR", isa.Error, "STATUS, bits 7:4"),
    ("BOOT", isa.Boot, "STATUS, bits 9:8"),
    ("IMAGE_SPACE", image.ImageSpace, "where a section of an image belongs"),
)


def protocol_header() -> str:
    """The whole text of ``celosia_protocol.h``."""
    link = {
        "PROTOCOL_VERSION": protocol.PROTOCOL_VERSION,
        "IDENT_VALUE": isa.IDENT_VALUE,
        "FLAG": protocol.FLAG,
        "ESCAPE": protocol.ESCAPE,
        "ESCAPE_CHANGE": protocol.ESCAPE_CHANGE,
        "COUNT_LIMIT": protocol.COUNT_LIMIT,
        "REQUEST_BYTES": protocol.REQUEST_BYTES,
        "ANSWER_BYTES": protocol.ANSWER_BYTES,
        "SPACE_REGISTERS": protocol.REGISTER_SPACE,
        "SPACE_LSB": 28,
    }
    parts = [_TITLE, "#ifndef CELOSIA_PROTOCOL_H\n#define CELOSIA_PROTOCOL_H\n"]
    parts.append(_defines("links", link.items()))
    for prefix, enumeration, comment in _ENUMERATIONS:
        parts.append(_defines(comment, ((f"{prefix}_{m.name}", int(m)) for m in enumeration)))
    images = {
        "IMAGE_VERSION": image.VERSION,
        "MAX_RANK": image.MAX_RANK,
        "CHECK_TEXT_BYTES": self_test.TEXT_BYTES,
    }
    parts.append(_defines("images", images.items()))
    parts.append(f"#define CELOSIA_IMAGE_MAGIC {_bytes(image.MAGIC)}\n")
    for record, (layout, names) in image.RECORDS.items():
        parts.append(_defines(f"offsets in its record: {record}", _offsets(record, layout, names)))
    parts.append("#endif\n")
    return "\n".join(parts)


def _defines(comment: str, values: object) -> str:
    lines = [f"/* {comment} */"]
    for name, value in values:  # type: ignore[attr-defined]
        text = f"{value}u" if value < 256 else f"0x{value:08X}u"
        lines.append(f"#define CELOSIA_{name} {text}")
    return "\n".join(lines) + "\n"


def _offsets(record: str, layout: struct.Struct, names: str) -> Iterator[tuple[str, int]]:
    """Offset of each field, of those in a row with one name the first, and the record's size."""
    codes = []
    for count, code in re.findall(r"(\d*)([a-z])", layout.format, re.IGNORECASE):
        codes += [f"{count}{code}"] if code in "sx" else [code] * int(count or 1)
    seen = set()
    for index, name in enumerate(names.split()):
        if name not in seen:
            yield f"{record}_{name}_at".upper(), struct.calcsize("<" + "".join(codes[:index]))
        seen.add(name)
    yield f"{record}_record_bytes".upper(), layout.size


def _bytes(data: bytes) -> str:
    return "{" + ", ".join(f"0x{byte:02X}u" for byte in data) + "}"
