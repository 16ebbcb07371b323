# SPDX-License-Identifier: BSD-2-Clause
"""Writes an accelerator's Verilog."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.back import verilog
from amaranth.lib import wiring

from .config import AcceleratorConfig
from .core import WishboneCore
from .gateware.accelerator import Accelerator
from .primitives import Technology

#: A memory row that starts as zero, as Amaranth writes it.
_ZERO_ROW = re.compile(r"^ +[^ =]+\[\d+\] = \d+'[dh]0+;\n", re.MULTILINE)


def to_verilog(
    config: AcceleratorConfig, *, name: str = "celosia", technology: Technology | None = None
) -> str:
    """The Verilog text of module ``name``; the same text for the same configuration, whose
    fingerprint its first line names.

    With a ``technology`` it has instances of that family's primitives, else their twins.

    Memories have no initial contents: no memory is read before it is written, but as a word of
    weight zero or in a delay line whose output does not count yet, and the SPRAM of iCE40 has none.
    """
    text = component_to_verilog(Accelerator(config), name=name, technology=technology)
    title = f"// Celosia's accelerator {config.name}, fingerprint {config.fingerprint:#010x}"
    return f"{title}\n{text}"


def wishbone_verilog(
    config: AcceleratorConfig,
    *,
    name: str = "celosia_wishbone",
    technology: Technology | None = None,
) -> str:
    """The same of the accelerator as a peripheral, ``WishboneCore``."""
    return component_to_verilog(WishboneCore(config), name=name, technology=technology)


def component_to_verilog(
    component: wiring.Component, *, name: str, technology: Technology | None = None
) -> str:
    """The Verilog text of any component, its memories without initial contents as well."""
    with no_collection():
        text = verilog.convert(component, name=name, platform=technology, emit_src=False)
    return str(_ZERO_ROW.sub("", text))


@contextmanager
def no_collection() -> Iterator[None]:
    """Amaranth makes an object of every bit of a memory; looking through them for garbage that is
    not there doubles the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
