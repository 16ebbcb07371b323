# SPDX-License-Identifier: BSD-2-Clause
"""From the sources to a netlist of the device's cells, with Yosys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .blocks import MODULE_MARK
from .execute import run_checked
from .netlist import Netlist, read_netlist
from .sources import Sources, read_command
from .tools import Tool

NETLIST = "netlist.json"
SCRIPT = "synthesize.ys"
LOG = "yosys.log"

#: How each family is synthesized; ``{top}`` is the top module. The accelerator names the
#: multipliers that it wants: on iCE40 no others are inferred, as Yosys would spend an SB_MAC16 on
#: every product of eight bits. "u" means the delays of the UltraPlus, which are not the default.
#: ``opt -full`` in the middle, where the arithmetic is known and nothing is mapped yet, saves an
#: accelerator of 4x4 on iCE40 1.7 % of its logic cells, and nothing on ECP5.
SYNTHESIS = {
    "ice40": (
        "synth_ice40 -device u -top {top} -run begin:map_ram",
        "opt -full",
        "synth_ice40 -device u -top {top} -run map_ram:",
    ),
    "ecp5": ("synth_ecp5 -top {top}",),
}


def synthesis_script(sources: Sources) -> str:
    """Yosys' commands.

    They mark each cell, before the hierarchy is flattened, with the module that it comes from: in
    its attribute ``src``, as Yosys hands that one, and no other, on to what it maps a cell to.
    """
    lines = [read_command(name) for name in sources.designs]
    lines += [f"hierarchy -top {sources.top}", "proc"]
    for module in sources.modules:
        # What is a pattern in a selection may be part of a module's name.
        pattern = "".join("?" if character in "*?[]" else character for character in module)
        lines.append(f'setattr -set src "{MODULE_MARK}{module}" {pattern}/c:*')
    lines += [command.format(top=sources.top) for command in SYNTHESIS[sources.family]]
    lines.append(f"write_json {NETLIST}")
    return "\n".join(lines) + "\n"


def synthesize(
    tool: Tool,
    sources: Sources,
    folder: Path,
    on_line: Callable[[str], None] | None = None,
) -> Netlist:
    """The netlist of ``sources``, which must be in ``folder``; also written there, as JSON.

    Raises:
        ToolError: Yosys fails.
    """
    (folder / SCRIPT).write_text(synthesis_script(sources), encoding="utf-8")
    run_checked(tool, ["-s", SCRIPT], folder=folder, log=LOG, on_line=on_line)
    return read_netlist(folder / NETLIST, sources.top)
