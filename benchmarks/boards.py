# SPDX-License-Identifier: BSD-2-Clause
"""Builds complete designs for boards, and writes what they reach into docs/performance.md.

    python -m benchmarks.boards up5k up5k_spi up5k_flash 25f 45f 85f    # some minutes each
    python -m benchmarks.boards latency           # cycles of the MLPerf Tiny models in RTL
    python -m benchmarks.boards                   # only the page, from the results that are there

Results are merged into benchmarks/results/boards.json, so that rows can be built one by one.
Models come from where benchmarks/performance.py takes them.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from benchmarks.board_tables import board_tables
from benchmarks.builds import Placed, Synthesized, place, synthesize_board, write_bitstream
from benchmarks.page import PAGE, write_section
from benchmarks.performance import Target, measure, model_path
from benchmarks.topologies import TOPOLOGIES

from celosia.compiler.sizing import standard_config
from celosia.errors import CelosiaError
from celosia.toolchain.resources import KINDS
from celosia.toolchain.route import DoesNotFitError
from celosia.toolchain.timing import Used
from celosia_hw.boards import get_board

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results" / "boards.json"


@dataclass(frozen=True)
class Design:
    """A design of the table.

    Attributes:
        board: its name.
        array: of its accelerator, whose configuration is the standard one for that board.
        clocks: frequencies in MHz to build for; if ``falling``, only the first is, and then lower
            ones, until timing is met or the last one is missed.
        seeds: how many seeds are routed; if ``falling``, until one meets the clock.
        falling: as above.
        link: ``uart`` or ``spi``.
        flash: whether it boots from the flash memory, and streams weights from there.
    """

    board: str
    array: tuple[int, int]
    clocks: tuple[float, ...]
    seeds: int
    falling: bool = True
    link: str = "uart"
    flash: bool = False


DESIGNS = {
    "up5k": Design("icebreaker", (4, 4), (24,), 5, falling=False),
    "up5k_spi": Design("icebreaker", (4, 4), (24,), 2, falling=False, link="spi"),
    "up5k_flash": Design("icebreaker", (4, 4), (24,), 3, falling=False, flash=True),
    "25f": Design("ulx3s_25f", (8, 4), (110, 70), 2),
    "45f": Design("ulx3s_45f", (8, 8), (110, 70), 1),
    "85f": Design("ulx3s_85f", (8, 16), (110, 80), 2),
}
#: A lower clock is this part of what timing reached, as the next build may reach a little less.
_MARGIN = 0.97


def build(name: str, clock: float, seeds: range, work: Path, *, all_seeds: bool) -> dict[str, Any]:
    """Builds a design for one clock; in types that JSON has."""
    design = DESIGNS[name]
    board = get_board(design.board)
    config = standard_config(board, design.array)
    made: Synthesized = synthesize_board(
        board,
        config,
        clock,
        work / f"{name}_{clock:g}",
        link=design.link,
        flash=design.flash,
    )
    tried: list[Placed] = []
    unrouted: list[int] = []
    for seed in seeds:
        try:
            tried.append(place(made, seed))
        except DoesNotFitError as error:
            cells = error.utilization[KINDS[board.family]["logic_cells"]]
            if error.crowded:
                click.echo(f"{name} at {clock:g} MHz, seed {seed}: not routed")
                unrouted.append(seed)
                continue
            click.echo(f"{name} at {clock:g} MHz does not fit: {cells.used:,} logic cells")
            break
        click.echo(f"{name} at {clock:g} MHz, seed {seed}: {tried[-1].fmax_mhz:.2f} MHz")
        if tried[-1].fmax_mhz >= made.sources.required_mhz and not all_seeds:
            break
    seconds = dict(made.seconds)
    resources = {name: Used(used, 0) for name, used in made.netlist.totals().items()}
    reached = 0.0
    if tried:
        best = max(tried, key=lambda placed: placed.fmax_mhz)
        seconds |= {"route": tried[0].seconds, "pack": write_bitstream(made, best)}
        resources, reached = best.resources, best.fmax_mhz
    else:
        resources["logic_cells"] = cells
    return {
        "date": datetime.date.today().isoformat(),
        "command": f"python -m benchmarks.boards {' '.join(sys.argv[1:])}",
        "board": board.name,
        "device": made.sources.device,
        "speed": board.speed,
        "array": config.name,
        "macs_per_cycle": config.macs_per_cycle,
        "config": config.to_dict(),
        "clock_mhz": made.sources.clock_mhz,
        "required_mhz": made.sources.required_mhz,
        "met": reached >= made.sources.required_mhz,
        "fmax_mhz": {str(placed.seed): round(placed.fmax_mhz, 2) for placed in tried},
        "unrouted": unrouted,
        "resources": {kind: used.to_dict() for kind, used in resources.items()},
        "tools": made.versions,
        "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
        "machine": f"{os.cpu_count()} processors, {platform.machine()}",
    }


def build_design(name: str, freq: float | None, seeds: int | None, work: Path) -> None:
    """Builds a design for its clocks, and keeps each result at once."""
    design = DESIGNS[name]
    order = range(1, (seeds or design.seeds) + 1)
    clocks = [freq] if freq else list(design.clocks if not design.falling else design.clocks[:1])
    least = freq or design.clocks[-1]
    while clocks:
        clock = clocks.pop(0)
        record = build(name, clock, order, work, all_seeds=not design.falling)
        results = load()
        results["builds"].setdefault(name, {})[f"{clock:g}"] = record
        save(results)
        if design.falling and record["fmax_mhz"] and not record["met"] and clock > least:
            reached = math.floor(_MARGIN * max(record["fmax_mhz"].values()))
            clocks.append(max(least, min(reached, clock - 1)))


def measure_latency() -> None:
    """Measures cycles of the models on the arrays of all designs; those with weights from a flash
    memory run at a rate of half a byte a cycle, as an iCE40 with four lines has."""
    arrays = {name: design for name, design in DESIGNS.items() if name in ("up5k", "25f", "85f")}
    with tempfile.TemporaryDirectory() as scratch:
        for name, design in arrays.items():
            for model in TOPOLOGIES:
                target = Target(design.board, design.array, {})
                try:
                    row = measure(model, model_path(model, Path(scratch)), target)
                except CelosiaError as error:
                    found: dict[str, Any] = {"error": str(error)}
                else:
                    found = {"cycles": row.cycles, "weights": row.source}
                click.echo(f"{model} on {name}: {found}")
                results = load()
                found["date"] = datetime.date.today().isoformat()
                results["cycles"].setdefault(name, {})[model] = found
                save(results)


def load() -> dict[str, Any]:
    if not RESULTS.exists():
        return {"builds": {}, "cycles": {}}
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return results


def save(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@click.command()
@click.argument("rows", nargs=-1, type=click.Choice([*DESIGNS, "latency"]))
@click.option("--freq", type=float, metavar="MHZ", help="Build for this clock only.")
@click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Seeds to route.")
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "build" / "boards",
    help="Where the tools run.",
)
def main(*, rows: tuple[str, ...], freq: float | None, seeds: int | None, work: Path) -> None:
    """Build ROWS and write the boards' section of docs/performance.md."""
    for row in rows:
        if row == "latency":
            measure_latency()
        else:
            build_design(row, freq, seeds, work)
    write_section("boards", board_tables(load()))
    click.echo(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
