# SPDX-License-Identifier: BSD-2-Clause
"""``celosia program``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
from rich.console import Console

from .examples import examples
from .progress import progress_bars
from .report import Report, reporting


def _show(out: Console, report: Report) -> None:
    command = shlex.join(report["command"])
    if report["programmed"]:
        where = "FPGA" if report["target"] == "sram" else "flash memory"
        out.print(f"{report['bitstream']} is in the {where} of {report['board']}", soft_wrap=True)
        return
    # In one line, however long: it is there to be copied.
    out.print(command, soft_wrap=True)
    if not report["installed"]:
        out.print(f"not installed: {report['advice']}", soft_wrap=True)


@click.command(
    short_help="Load a bitstream into its board.",
    epilog=examples(
        "celosia program build/model",
        "celosia program build/model --dry-run",
        "celosia program build/model --sram",
        "celosia program build/model --cable ft232",
    ),
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--sram",
    is_flag=True,
    help="Load the FPGA itself, until its power goes, instead of its flash memory. Some boards "
    "need jumpers changed for this.",
)
@click.option(
    "--cable",
    metavar="NAME",
    help="openFPGALoader's name of a JTAG cable, for a board that has none of its own.",
)
@click.option("--dry-run", is_flag=True, help="Print the command, and do nothing.")
@reporting(_show)
def program(
    directory: Path, *, sram: bool, cable: str | None, dry_run: bool, quiet: bool
) -> Report:
    """Load the bitstream that 'celosia build' wrote into DIRECTORY into its board.

    Calls iceprog, openFPGALoader or the program of the board's maker, which must be installed.
    """
    from celosia.toolchain.program import plan_programming
    from celosia.toolchain.program import program as run

    planned = plan_programming(directory, sram=sram, cable=cable)
    if not dry_run:
        with progress_bars({"program": "Programming"}, quiet=quiet) as advance:
            run(planned, lambda line: advance("program", 0, None, line))
    return {
        "board": planned.board,
        "bitstream": str(planned.bitstream),
        "target": planned.target,
        "command": list(planned.command),
        "installed": planned.installed,
        "advice": planned.advice,
        "programmed": not dry_run,
    }
