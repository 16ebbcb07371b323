# SPDX-License-Identifier: BSD-2-Clause
"""Measures cycles of whole networks in RTL and writes their section of docs/performance.md.

    python -m benchmarks.performance

Models come from the folder named by CELOSIA_MLPERF_TINY, else from ../shared/mlperf_tiny, else the
same topologies are built with random weights (see topologies.py). Cycles do not depend on the
input, nor on the weights but for dead channels.
"""

from __future__ import annotations

import datetime
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from benchmarks.page import PAGE, write_section
from benchmarks.topologies import TOPOLOGIES
from rich.progress import Progress

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image, ImageSpace
from celosia.compiler.sizing import size_config
from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.boards import get_board
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import INSTRUCTION_BYTES, Opcode, Status, decode
from celosia_hw.verilog import to_verilog
from celosia_sim.accelerator import job_for, outputs_of
from celosia_sim.reference import run
from celosia_sim.rtl.build import build
from celosia_sim.rtl.run import run_job

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Target:
    """An array on a board, with the aims that were set for it, by model: required, aim."""

    board: str
    array: tuple[int, int]
    aims: dict[str, tuple[int, int]]

    @property
    def name(self) -> str:
        return f"{self.array[0]}x{self.array[1]}"


TARGETS = (
    Target(
        "icebreaker",
        (4, 4),
        {
            "pretrainedResnet_quant": (1_000_000, 850_000),
            "kws_ref_model": (300_000, 205_000),
            "vww_96_int8": (450_000, 300_000),
            "str_ww_ref_model": (100_000, 70_000),
            "ad01_int8": (560_000, 535_000),
        },
    ),
    Target(
        "ulx3s_85f",
        (8, 16),
        {
            "pretrainedResnet_quant": (140_000, 108_000),
            "kws_ref_model": (50_000, 28_000),
            "vww_96_int8": (90_000, 45_000),
            "str_ww_ref_model": (20_000, 10_000),
            "ad01_int8": (6_000, 2_600),
        },
    ),
)


HEAD = """# Performance

Clock cycles of one inference, the whole network, measured in RTL (Verilator): the value of the
accelerator's own cycle counter when the program ends. All outputs were compared with the integer
reference. Written by

    python -m benchmarks.performance

on {date}. *Ideal* is the model's multiplications (after the removal of dead channels) divided by
the array's multipliers; for weights that are streamed at 0.5 bytes a cycle, the time of the stream.
*Required* and *aim* are the goals, and whether they are met; *predicted* is the error of the
prediction that `celosia generate` prints.

| model | array | weights | ideal | cycles | utilization | required | aim | predicted |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"""

REASONS = """
## Where the cycles go

Cycles beyond the ideal, by their reason:

* *unfilled*: the array works, but not with all of its multipliers: channels that do not fill rows
  or lanes (3 channels and 3 columns of a first layer are 9 bytes in 12 or 16 lanes), chain rows
  beside a kernel's 3 columns, positions in which a chain is filled, pools.
* *requantizer*: results leave the array faster than one (4x4) or eight (8x16) outputs a cycle:
  depthwise layers, pointwise layers with few input channels.
* *borders*: padding is stored around a tensor before its layer runs.
* *other*: start and end of each layer (about 45 cycles each), waiting for weights at the beginning,
  and accesses to the same memory bank in the same cycle.

| model | array | ideal | unfilled | requantizer | borders | other | cycles |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"""


@dataclass(frozen=True)
class Row:
    """Cycles of one network on one target, and where those beyond the ideal went."""

    model: str
    target: Target
    ideal: int
    cycles: int
    predicted: int
    unfilled: int
    requantizer: int
    borders: int
    source: str

    @property
    def other(self) -> int:
        return self.cycles - self.ideal - self.unfilled - self.requantizer - self.borders


def model_path(name: str, scratch: Path) -> Path:
    """The benchmark's model file, or one of the same topology in ``scratch``."""
    given = os.environ.get("CELOSIA_MLPERF_TINY")
    folder = Path(given) if given else ROOT.parent / "shared" / "mlperf_tiny"
    path = folder / "models" / f"{name}.tflite"
    if not path.exists():
        path = scratch / f"{name}.tflite"
        path.write_bytes(TOPOLOGIES[name]())
    return path


def array_cycles(image: Image) -> tuple[int, int]:
    """Cycles in which the array takes a tap, and those that the requantizer adds to them."""
    program = next(s for s in image.sections if s.space == ImageSpace.SCRATCH)
    config = image.config
    taps = extra = 0
    for index in range(len(image.instructions) - 1):
        start = image.entry + index * INSTRUCTION_BYTES - program.address
        opcode, f = decode(program.data[start : start + INSTRUCTION_BYTES])
        if opcode not in (Opcode.CONV, Opcode.CHAIN, Opcode.MAX):
            continue
        each = f["taps_c"] * f["taps_kx"] * f["taps_ky"]
        group = config.output_channels if opcode == Opcode.CONV else config.input_channels
        for last in (False, True):
            groups = 1 if last else f["groups"] - 1
            values = f["tail"] if last else group
            beats = -(-values // config.requantize_lanes) * (1 + f["second_pass"])
            emissions = f["positions"] - f["skip"]
            taps += groups * f["lines"] * f["positions"] * each
            extra += groups * f["lines"] * emissions * max(0, beats - each)
    return taps, extra


def measure(name: str, path: Path, target: Target) -> Row:
    graph: Graph = load_tflite(path)
    optimized = optimize(graph)
    config: AcceleratorConfig = size_config(optimized, get_board(target.board), target.array)
    image = compile_graph(optimized, config)
    tensor = graph.tensors[graph.inputs[0]]
    sample = np.random.default_rng(0).integers(-128, 128, tensor.shape).astype(np.int8)
    expected = run(optimized, sample, keep=True)
    inputs = [expected[port.tensor] for port in image.inputs]
    (result,) = run_job(build(to_verilog(config), toplevel="celosia"), job_for(image, [inputs]))
    if result.status & 0xFF != 1 << Status.DONE:
        raise SystemExit(f"{name} on {target.name}: status {result.status:#x}")
    for number, values in outputs_of(image, result).items():
        if not np.array_equal(values.ravel(), expected[number].ravel()):
            raise SystemExit(f"{name} on {target.name}: outputs differ from the reference")
    ends = np.frombuffer(result.reads[0], "<u4").astype(np.int64)
    durations = np.diff(ends, prepend=0)
    fills = [i for i, info in enumerate(image.instructions) if info.opcode == "FILL"]
    ideal = image.macs // config.macs_per_cycle
    taps, requantizer = array_cycles(image)
    external = any(s.space == ImageSpace.EXTERNAL for s in image.sections)
    if external:
        # The stream is the bound: that of the array does not count.
        ideal = int(image.usage["weight_bytes"] / image.external_rate)
        taps = ideal
        requantizer = 0
    return Row(
        model=name,
        target=target,
        ideal=ideal,
        cycles=result.cycles,
        predicted=image.cycles,
        unfilled=taps - ideal,
        requantizer=requantizer,
        borders=int(durations[fills].sum()),
        source="streamed" if external else "on chip",
    )


def page(rows: list[Row]) -> str:
    lines = [HEAD.format(date=datetime.date.today().isoformat())]
    for row in rows:
        required, aim = row.target.aims[row.model]
        cells = (
            row.model,
            row.target.name,
            row.source,
            f"{row.ideal:,}",
            f"**{row.cycles:,}**",
            f"{100 * row.ideal / row.cycles:.1f} %",
            _met(row.cycles, required),
            _met(row.cycles, aim),
            f"{100 * (row.predicted / row.cycles - 1):+.1f} %",
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines.append(REASONS)
    for row in rows:
        parts = (row.ideal, row.unfilled, row.requantizer, row.borders, row.other, row.cycles)
        numbers = " | ".join(f"{part:,}" for part in parts)
        lines.append(f"| {row.model} | {row.target.name} | {numbers} |")
    return "\n".join(lines) + "\n"


def _met(cycles: int, limit: int) -> str:
    return f"{limit:,} {'yes' if cycles <= limit else 'no'}"


@click.command()
@click.option("--print", "only_print", is_flag=True, help="Print the page instead of writing it.")
def main(*, only_print: bool) -> None:
    """Measure all models on both arrays and write docs/performance.md."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch, Progress() as progress:
        task = progress.add_task("Simulating", total=len(TARGETS) * len(TOPOLOGIES))
        for target in TARGETS:
            for name in target.aims:
                progress.update(task, description=f"{name} {target.name}")
                rows.append(measure(name, model_path(name, Path(scratch)), target))
                progress.advance(task)
    text = page(rows)
    if only_print:
        click.echo(text)
    else:
        write_section("performance", text)
        click.echo(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
