# SPDX-License-Identifier: BSD-2-Clause
"""Simulates what synthesis makes of an accelerator, out of models of the device's cells."""

from __future__ import annotations

import tempfile
from pathlib import Path

from celosia.toolchain.execute import run_checked
from celosia.toolchain.prepare import prepare_tools
from celosia.toolchain.sources import Sources
from celosia.toolchain.synthesize import NETLIST, synthesize
from celosia_hw.config import AcceleratorConfig
from celosia_hw.primitives import Technology
from celosia_hw.verilog import to_verilog

from .models import library
from .rtl.build import build

TOP = "celosia"


def compile_netlist(config: AcceleratorConfig, family: str) -> tuple[Path, dict[str, int]]:
    """The compiled netlist of an accelerator, and how many cells it has of each kind.

    It is the one that the build flow makes, without the pins around it. Its memories, multipliers
    and all else are the family's primitives, whose twins the accelerator's Verilog has.

    Raises:
        ToolError: a tool is missing, or failed.
    """
    with tempfile.TemporaryDirectory(prefix="celosia-") as name:
        folder = Path(name)
        verilog = to_verilog(config, name=TOP, technology=Technology(family))
        sources = Sources(
            top=TOP,
            files={f"{TOP}.v": verilog},
            family=family,
            device="",
            nextpnr_options=(),
            clock_mhz=1,
            required_mhz=1,
        )
        sources.write(folder)
        yosys = prepare_tools(family, folder)["yosys"]
        cells = synthesize(yosys, sources, folder).totals()
        script = f"read_json {NETLIST}; write_verilog -noattr netlist.v"
        run_checked(yosys, ["-q", "-p", script], folder=folder, log="write.log")
        netlist = (folder / "netlist.v").read_text(encoding="utf-8")
    return build(library(family) + netlist, toplevel=TOP, gates=True), cells
