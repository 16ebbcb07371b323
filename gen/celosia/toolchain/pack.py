# SPDX-License-Identifier: BSD-2-Clause
"""From a routed design to the bitstream, with icepack or ecppack."""

from __future__ import annotations

from pathlib import Path

from .execute import run_checked
from .sources import Sources
from .tools import Tool

#: Name of the bitstream, by family.
BITSTREAM = {"ice40": "top.bin", "ecp5": "top.bit"}
LOG = "pack.log"


def pack(tool: Tool, sources: Sources, folder: Path, routed: str) -> Path:
    """The bitstream of ``routed``, a file in ``folder``, where it is written too.

    Raises:
        ToolError: the tool fails.
    """
    bitstream = BITSTREAM[sources.family]
    if sources.family == "ice40":
        arguments = [*sources.pack_options, routed, bitstream]
    else:
        arguments = [*sources.pack_options, "--input", routed, "--bit", bitstream]
    run_checked(tool, arguments, folder=folder, log=LOG)
    return folder / bitstream
