# SPDX-License-Identifier: BSD-2-Clause
"""Writes an accelerator's Verilog."""

from __future__ import annotations

import re

from amaranth.back import verilog

from .config import AcceleratorConfig
from .gateware.accelerator import Accelerator

#: A memory row that starts as zero, as Amaranth writes it.
_ZERO_ROW = re.compile(r"^ +[^ =]+\[\d+\] = \d+'d0;\n", re.MULTILINE)


def to_verilog(config: AcceleratorConfig, *, name: str = "celosia") -> str:
    """The Verilog text of module ``name``; the same text for the same configuration.

    Memories have no initial contents: no memory is read before it is written, but as a word of
    weight zero or in a delay line whose output does not count yet, and the SPRAM of iCE40 has none.
    """
    text = verilog.convert(Accelerator(config), name=name, emit_src=False)
    return str(_ZERO_ROW.sub("", text))
