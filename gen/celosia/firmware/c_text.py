# SPDX-License-Identifier: BSD-2-Clause
"""Names and texts of any origin as C99 has them."""

from __future__ import annotations

import re

#: C99 compilers need not take string literals of more than 4095 characters.
LONGEST = 1000


def string_literal(text: str) -> str:
    """A string literal with the bytes of ``text`` in UTF-8, of which at most LONGEST."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > LONGEST:
        data = data[: LONGEST - 3] + b"..."
    return '"' + "".join(_character(byte) for byte in data) + '"'


def _character(byte: int) -> str:
    # A question mark could begin a trigraph. Three octal digits end by themselves.
    if byte in b'"\\?':
        return "\\" + chr(byte)
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def identifier(text: str) -> str:
    """What is left of ``text`` as a part of an identifier: upper case, digits, underscores."""
    return re.sub(r"[^A-Z0-9]+", "_", text.upper()[:40].encode("ascii", "replace").decode())


def float_literal(value: float) -> str:
    """A constant of the type float that is the single precision number ``value`` exactly."""
    text = format(value, ".9g")
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"
