# SPDX-License-Identifier: BSD-2-Clause
"""``celosia build``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from .examples import examples
from .progress import progress_bars
from .report import Report, reporting

_STAGES = {
    "elaborate": "Elaborating",
    "tools": "Looking for the tools",
    "compile": "Compiling the tools for this machine, once",
    "synthesize": "Synthesizing",
    "route": "Placing and routing",
    "pack": "Packing",
}
_UNITS = {"route": "seeds"}

_COLUMNS = ("lut", "ff", "bram", "spram", "dsp")


def _show(out: Console, report: Report) -> None:
    from celosia.estimate.estimate import TITLES

    link = "SPI" if report["link"] == "spi" else f"UART at {report['baud_rate']:,.0f} baud"
    flash = "" if report["flash_offset"] is None else ", boots from flash"
    out.print(f"{report['board']}, {report['device']}, {link}{flash}")
    table = Table(box=None, pad_edge=False)
    table.add_column("RESOURCE", no_wrap=True)
    for title in ("USED", "AVAILABLE", "%"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, counted in report["resources"].items():
        used, available = counted["used"], counted["available"]
        if available:
            table.add_row(
                TITLES[name], f"{used:,}", f"{available:,}", f"{100 * used / available:.0f}"
            )
    out.print(table)
    out.print()
    out.print(_blocks(report))
    out.print()
    tried = len(report["seeds"])
    seed = f"seed {report['seed']}" + (f", {tried} tried" if tried > 1 else "")
    out.print(
        f"clock {report['clock_mhz']:g} MHz, met with {report['fmax_mhz']:.2f} MHz ({seed}); "
        f"{report['seconds']:.0f} s"
    )
    for tool, version in report["tools"].items():
        out.print(f"{tool} {version}")
    out.print(f"wrote {Path(report['directory']) / report['bitstream']}", soft_wrap=True)


def _blocks(report: Report) -> Table:
    columns = [name for name in _COLUMNS if report["resources"][name]["used"]]
    table = Table(box=None, pad_edge=False)
    table.add_column("BLOCK", no_wrap=True)
    for name in columns:
        table.add_column(name.upper(), justify="right", no_wrap=True)
    for block, counted in report["blocks"].items():
        table.add_row(block, *(f"{counted[name]:,}" if counted[name] else "" for name in columns))
    return table


@click.command(
    short_help="Build the bitstream of an accelerator.",
    epilog=examples(
        "celosia build build/model",
        "celosia build build/model --seeds 8",
        "celosia build build/model --freq 20 --seed 3",
        "celosia build build/model --link spi --no-flash",
        "celosia build build/model --json",
    ),
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--seeds",
    type=click.IntRange(min=1, max=10_000),
    metavar="N",
    help="Try up to this many seeds, several at a time, until one meets the clock; default: 1, and "
    "others only if nextpnr gets to no end with it.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**31 - 1),
    metavar="S",
    help="Try this seed only.",
)
@click.option(
    "--freq",
    type=click.FloatRange(min=0, min_open=True, max=1000),
    metavar="MHZ",
    help="Clock to build for; default: the board's.",
)
@click.option(
    "--link",
    type=click.Choice(["uart", "spi"]),
    default="uart",
    show_default=True,
    help="How the host reaches the accelerator.",
)
@click.option(
    "--baud",
    type=click.IntRange(min=300),
    metavar="RATE",
    help="Bits a second of the UART. [default: 1000000]",
)
@click.option(
    "--flash/--no-flash",
    default=None,
    help="Whether the design boots from the board's flash memory, and streams weights from there; "
    "by default it does where it can; on an iCE40 only for a model that needs it.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="J",
    help="Seeds to try at the same time; default: the number of processors.",
)
@reporting(_show)
def build(
    directory: Path,
    *,
    seeds: int | None,
    seed: int | None,
    freq: float | None,
    link: str,
    baud: int | None,
    flash: bool | None,
    jobs: int | None,
    quiet: bool,
) -> Report:
    """Build the bitstream of the accelerator in DIRECTORY, which 'celosia generate' wrote.

    Runs Yosys, nextpnr and icepack or ecppack: those on PATH, if they are new enough, else those of
    the YoWASP packages. Writes top.bin (iCE40) or top.bit (ECP5) and build.json if the design fits
    and its clock is met, else neither. Logs are in DIRECTORY/build.
    """
    from celosia.toolchain import build as run

    if seed is not None and seeds is not None:
        raise click.UsageError("give --seed or --seeds, not both")
    chosen = None
    if seed is not None:
        chosen = [seed]
    elif seeds is not None:
        chosen = list(range(1, seeds + 1))
    with progress_bars(_STAGES, _UNITS, quiet=quiet) as advance:
        result = run(
            directory,
            seeds=chosen,
            clock_mhz=freq,
            link=link,
            baud_rate=baud,
            flash=flash,
            jobs=jobs,
            progress=advance,
        )
    return {**result.to_dict(), "directory": str(directory)}
