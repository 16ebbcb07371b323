# SPDX-License-Identifier: BSD-2-Clause
"""``celosia simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from celosia.layer_names import short_name

from .examples import examples
from .progress import progress_bars
from .report import Report, reporting

_STAGES = {"compile": "Compiling", "run": "Simulating"}
_UNITS = {"run": "cycles"}


def _show(out: Console, report: Report) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("LAYER", no_wrap=True)
    table.add_column("OPERATION", no_wrap=True)
    for title in ("MACS", "CYCLES", "MACS/CYCLE"):
        table.add_column(title, justify="right", no_wrap=True)
    for layer in report["layers"]:
        rate = layer["macs"] / layer["cycles"] if layer["cycles"] else 0.0
        counts = (f"{layer['macs']:,}", f"{layer['cycles']:,}", f"{rate:.2f}")
        table.add_row(short_name(layer["name"]), layer["op"], *counts)
    out.print(table)
    out.print()
    for number, (cycles, peak) in enumerate(zip(report["cycles"], report["peaks"], strict=True)):
        place = ", ".join(map(str, peak["position"]))
        out.print(
            f"sample {number}: {cycles:,} cycles, largest output {peak['value']} at ({place})"
        )
    out.print(
        f"{report['macs']:,} MACs a sample, {report['macs_per_cycle']:.2f} a cycle, "
        f"utilization of the MAC array {100 * report['utilization']:.1f} %"
    )
    samples, mismatches = report["samples"], report["mismatches"]
    if mismatches:
        out.print(f"MISMATCH: {mismatches} of {samples} samples differ from the integer reference")
        if report.get("first_mismatch"):
            out.print(report["first_mismatch"]["text"])
    else:
        out.print(f"{samples} of {samples} samples equal the integer reference in every byte")


def _peak(output: npt.NDArray[Any]) -> Report:
    """The largest element of a sample's output: the class, for a classifier."""
    position = np.unravel_index(np.argmax(output), output.shape)
    # The batch axis says nothing.
    return {"position": [int(i) for i in position[1:]], "value": output[position].item()}


@click.command(
    short_help="Run an accelerator's Verilog on real input.",
    epilog=examples(
        "celosia simulate build/model --input images.npy",
        "celosia simulate build/model --input images.npy --samples 1 --trace wave.fst",
        "celosia simulate build/model --input images.npy --json",
        "celosia simulate build/one --model build/two --input for_two.npy",
    ),
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "input_file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.npy",
    help="Samples: the model's input shape behind an axis of samples; int8, or floating point "
    "numbers that are quantized with the model's scale.",
)
@click.option("--samples", type=click.IntRange(min=1), help="Only this many samples.")
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    metavar="FILE.fst",
    help="Write waveforms (.fst or .vcd); slower.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    help="Run the model generated there, for the same accelerator, on this one's Verilog.",
)
@click.option(
    "--external-rate",
    type=click.FloatRange(min=0, min_open=True, max=4),
    metavar="BYTES",
    help="Bytes a cycle of the memory that weights are streamed from.",
)
@click.option(
    "--simulator",
    type=click.Choice(["verilator", "icarus"]),
    default="verilator",
    show_default=True,
    help="Icarus must be installed; it is slower, but compiles in a moment.",
)
@reporting(_show)
def simulate(
    directory: Path,
    *,
    input_file: Path,
    samples: int | None,
    trace: Path | None,
    model: Path | None,
    external_rate: float | None,
    simulator: str,
    quiet: bool,
) -> Report:
    """Run a generated accelerator's Verilog on real input and check every byte.

    Shows the cycles of each layer and the utilization of the MAC array, and compares all outputs
    with the integer reference; the exit code is 1 if one byte differs. Writes outputs.npy and
    simulation.json into the model's folder.
    """
    from celosia import simulate as run

    with progress_bars(_STAGES, _UNITS, quiet=quiet) as advance:
        result = run(
            directory,
            input_file,
            model=model,
            samples=samples,
            trace=trace,
            external_rate=external_rate,
            simulator=simulator,
            progress=advance,
        )
    return {**result.to_dict(), "peaks": [_peak(output) for output in result.outputs]}
