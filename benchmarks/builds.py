# SPDX-License-Identifier: BSD-2-Clause
"""Synthesizes and routes an accelerator on a board, and keeps timing that misses its clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from celosia.toolchain import Sources, elaborate
from celosia.toolchain.execute import run_checked
from celosia.toolchain.netlist import Netlist
from celosia.toolchain.pack import pack
from celosia.toolchain.prepare import prepare_tools
from celosia.toolchain.resources import KINDS, resource_usage
from celosia.toolchain.route import Routed, route
from celosia.toolchain.synthesize import NETLIST, synthesize
from celosia.toolchain.timing import Used, read_utilization
from celosia.toolchain.tools import Tool
from celosia_hw.boards import Board
from celosia_hw.config import AcceleratorConfig


@dataclass(frozen=True, kw_only=True)
class Synthesized:
    """A design whose netlist is in ``folder``; ``seconds`` by stage."""

    sources: Sources
    folder: Path
    netlist: Netlist
    tools: dict[str, Tool]
    seconds: dict[str, float]

    @property
    def versions(self) -> dict[str, str]:
        return {name: str(tool) for name, tool in self.tools.items()}


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A routed design: ``fmax_mhz`` of its clock, and what it takes of the device."""

    seed: int
    fmax_mhz: float
    routed: Routed
    resources: dict[str, Used]
    seconds: float


def synthesize_board(
    board: Board,
    config: AcceleratorConfig,
    clock_mhz: float,
    folder: Path,
    *,
    link: str = "uart",
    flash: bool = False,
) -> Synthesized:
    """Synthesizes the complete top module, with clock, reset, host link and LEDs, and with
    ``flash`` what boots and streams weights from the flash memory.

    Raises:
        BoardError: the board cannot make that clock.
        ToolError: a tool is missing or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    sources = elaborate(board, config, clock_mhz, link=link, flash=flash)
    elaborated = time.monotonic()
    sources.write(folder)
    tools = prepare_tools(sources.family, folder)
    prepared = time.monotonic()
    netlist = synthesize(next(iter(tools.values())), sources, folder)
    seconds = {
        "elaborate": round(elaborated - began, 1),
        "synthesize": round(time.monotonic() - prepared, 1),
    }
    return Synthesized(
        sources=sources, folder=folder, netlist=netlist, tools=tools, seconds=seconds
    )


def place(design: Synthesized, seed: int) -> Placed:
    """Places and routes with a seed.

    Raises:
        DoesNotFitError: the device is too small.
        ToolError: nextpnr fails.
    """
    _, nextpnr, _ = design.tools.values()
    began = time.monotonic()
    routed = route(nextpnr, design.sources, design.folder, seed)
    required = design.sources.required_mhz
    # The design's clock is the one that must reach its frequency; the other is the oscillator's.
    reported = routed.report.clocks
    clocks = [c for c in reported if abs(c.required_mhz / required - 1) < 1e-3] or reported
    return Placed(
        seed=seed,
        fmax_mhz=min(clock.achieved_mhz for clock in clocks),
        routed=routed,
        resources=resource_usage(design.sources.family, design.netlist, routed.report.utilization),
        seconds=round(time.monotonic() - began, 1),
    )


def packed_cells(design: Synthesized) -> int:
    """Logic cells (iCE40) or LUTs (ECP5) after packing, without placing; also if it is too large.

    Raises:
        ToolError: nextpnr fails.
    """
    _, nextpnr, _ = design.tools.values()
    sources = design.sources
    arguments = [*sources.nextpnr_options, "--json", NETLIST, "--pack-only"]
    if sources.constraints is not None:
        arguments += ["--pcf" if sources.family == "ice40" else "--lpf", sources.constraints]
    done = run_checked(nextpnr, arguments, folder=design.folder, log="pack_only.log")
    return read_utilization(done.output)[KINDS[sources.family]["logic_cells"]].used


def write_bitstream(design: Synthesized, placed: Placed) -> float:
    """Writes the bitstream and returns how many seconds it took."""
    *_, packer = design.tools.values()
    began = time.monotonic()
    pack(packer, design.sources, design.folder, placed.routed.result)
    return round(time.monotonic() - began, 1)
