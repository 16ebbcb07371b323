# SPDX-License-Identifier: BSD-2-Clause
"""``celosia generate``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from .array import ArrayType
from .examples import examples
from .progress import progress_bars
from .report import Report, reporting


def _show(out: Console, report: Report) -> None:
    out.print(report)


@click.command(
    short_help="Generate an accelerator for a model and a board.",
    epilog=examples(
        "celosia generate model.tflite --board icebreaker",
        "celosia generate model.tflite --board ulx3s_85f --array 8x16 -o build/model",
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
@reporting(_show)
def generate(
    model: Path,
    *,
    board: str,
    array: tuple[int, int] | None,
    output: Path | None,
    quiet: bool,
) -> Report:
    """Generate an accelerator for a board, and the program that runs MODEL on it.

    MODEL is an int8 .tflite file. Writes into the output folder: top.v (the accelerator's Verilog),
    model.image (instructions, weights and parameters), model.tflite (a copy) and manifest.json
    (array, memories, layers and predicted cycles). The folder is written completely or not at all.
    """
    from celosia import generate as run

    if output is None:
        output = Path("build") / model.stem
    with progress_bars({"generate": "Generating"}, quiet=quiet):
        manifest = run(model, board=board, array=array, output=output)
    return {**manifest, "output": str(output)}
