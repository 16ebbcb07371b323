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
    if report["programmed"]:
        where = "FPGA" if report["target"] == "sram" else "flash memory"
        files = " and ".join(filter(None, (report["bitstream"], report["data"])))
        verb = "are" if report["data"] else "is"
        out.print(f"{files} {verb} in the {where} of {report['board']}", soft_wrap=True)
        return
    # Each in one line, however long: they are there to be copied.
    for command in report["commands"]:
        out.print(shlex.join(command), soft_wrap=True)
    if not report["installed"]:
        out.print(f"not installed: {report['advice']}", soft_wrap=True)


@click.command(
    short_help="Load a bitstream into its board.",
    epilog=examples(
        "celosia program build/model",
        "celosia program build/model --dry-run",
        "celosia program build/model --sram",
        "celosia program build/model --cable ft232",
        "celosia program build/one --model build/two",
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
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="Write the model generated there, for the same accelerator, behind the bitstream.",
)
@click.option("--dry-run", is_flag=True, help="Print the commands, and do nothing.")
@reporting(_show)
def program(
    directory: Path,
    *,
    sram: bool,
    cable: str | None,
    model: Path | None,
    dry_run: bool,
    quiet: bool,
) -> Report:
    """Load the bitstream that 'celosia build' wrote into DIRECTORY into its board.

    If the design boots from flash, the model is written behind the bitstream.

    Calls iceprog, openFPGALoader or the program of the board's maker, which must be installed.
    """
    from celosia.toolchain.program import plan_programming
    from celosia.toolchain.program import program as run

    planned = plan_programming(directory, sram=sram, cable=cable, model=model)
    if not dry_run:
        with progress_bars({"program": "Programming"}, quiet=quiet) as advance:
            run(planned, lambda line: advance("program", 0, None, line))
    return {
        "board": planned.board,
        "bitstream": str(planned.bitstream),
        "target": planned.target,
        "data": str(planned.data) if planned.data is not None else None,
        "commands": [list(command) for command in planned.commands],
        "installed": planned.installed,
        "advice": planned.advice,
        "programmed": not dry_run,
    }
