# SPDX-License-Identifier: BSD-2-Clause
"""``celosia generate``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from celosia.layer_names import short_name

from .array import ArrayType
from .examples import examples
from .progress import progress_bars
from .report import Report, reporting


def _show(out: Console, report: Report) -> None:
    from celosia.estimate.estimate import TITLES

    out.print(f"{report['model']} for {report['board']}, array {report['array']}")
    table = Table(box=None, pad_edge=False)
    table.add_column("LAYER", no_wrap=True)
    table.add_column("OPERATION", no_wrap=True)
    for title in ("MACS", "PREDICTED CYCLES"):
        table.add_column(title, justify="right", no_wrap=True)
    for layer in report["layers"]:
        cycles = f"{layer['predicted_cycles']:,}"
        table.add_row(short_name(layer["name"]), layer["op"], f"{layer['macs']:,}", cycles)
    out.print(table)
    out.print()
    memories = report["memories"]
    scratch, weights = memories["scratch"], memories["weights"]
    out.print(
        f"scratchpad {scratch['bytes']:,} bytes, {scratch['used']:,} used; weights "
        f"{weights['model_bytes']:,} bytes, {weights['source']}; {report['instructions']} "
        "instructions"
    )
    out.print(
        f"predicted {report['predicted_cycles']:,} cycles, {report['predicted_ms']:.3f} ms at "
        f"{report['clock_mhz']:g} MHz, utilization of the MAC array "
        f"{100 * report['predicted_utilization']:.1f} %"
    )
    estimate = report["estimate"]
    resources = ", ".join(
        f"{counted['used']:,} of {counted['available']:,} {TITLES[name]}"
        for name, counted in estimate["resources"].items()
        if counted["available"] and name not in ("lut", "ff")
    )
    out.print(f"estimated {resources}; clock {estimate['clock_mhz']:g} MHz")
    if not estimate["fits"]:
        out.print("it may not fit: try a smaller --array", style="yellow")
    out.print(f"wrote {report['output']}")


@click.command(
    short_help="Generate an accelerator for a model and a board.",
    epilog=examples(
        "celosia generate model.tflite --board icebreaker",
        "celosia generate model.tflite --board ulx3s_85f --array 8x16 -o build/model",
        "celosia generate two.tflite --board icebreaker --hardware build/one -o build/two",
        "celosia generate model.tflite --board ulx3s_25f --wishbone",
        "celosia generate model.tflite --board icebreaker --json",
    ),
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", required=True, metavar="NAME", help="A board of 'celosia boards'.")
@click.option(
    "--array",
    type=ArrayType(),
    metavar="OUTxIN",
    help="MAC array, output channels x input channels; default: the board's.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="Folder to write; default: build/ and the model's name.",
)
@click.option(
    "--hardware",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="Take the accelerator that was generated there, so that its Verilog runs this model too.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Names of the model's classes, one a line, for model.h.",
)
@click.option(
    "--wishbone",
    is_flag=True,
    help="Write wishbone.v as well: the accelerator as a peripheral of a Wishbone bus, with the "
    "primitives of the board's FPGA.",
)
@reporting(_show)
def generate(
    model: Path,
    *,
    board: str,
    array: tuple[int, int] | None,
    output: Path | None,
    hardware: Path | None,
    labels: Path | None,
    wishbone: bool,
    quiet: bool,
) -> Report:
    """Generate an accelerator for a board, and the program that runs MODEL on it.

    MODEL is an int8 .tflite file. Writes into the output folder: top.v (the accelerator's Verilog),
    model.image (instructions, weights and parameters), model.h (what a microcontroller's program
    needs to know), model.tflite (a copy) and manifest.json (array, memories, layers, predicted
    cycles, estimated resources and clock). The folder is written completely or not at all.
    """
    from celosia import generate as run

    if output is None:
        output = Path("build") / model.stem
    with progress_bars({}, quiet=quiet) as advance:
        advance("Generating", 0, None, "")
        manifest = run(
            model,
            board=board,
            array=array,
            output=output,
            config=hardware,
            wishbone=wishbone,
            labels=labels,
        )
    return {**manifest, "output": str(output)}
