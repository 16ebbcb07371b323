# SPDX-License-Identifier: BSD-2-Clause
"""Writes an accelerator's Verilog."""

from __future__ import annotations

from amaranth.back import verilog

from .config import AcceleratorConfig
from .gateware.accelerator import Accelerator


def to_verilog(config: AcceleratorConfig, *, name: str = "celosia") -> str:
    """The Verilog text of module ``name``; the same text for the same configuration."""
    return verilog.convert(Accelerator(config), name=name, emit_src=False)
