# SPDX-License-Identifier: BSD-2-Clause
"""How layers are called where there is little room."""

from __future__ import annotations

_WIDTH = 30


def short_name(layer: str) -> str:
    """A layer's name for a table or a driver, at most 30 characters; JSON has it in full.

    Converters name a fused tensor after all that went into it, joined with semicolons.
    """
    first = layer.split(";")[0]
    return first if len(first) <= _WIDTH else f"...{first[3 - _WIDTH :]}"
