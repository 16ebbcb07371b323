# SPDX-License-Identifier: BSD-2-Clause
"""What the known-answer test costs and finds, as a section of docs/host.md.

    python -m benchmarks.self_test MODEL...

Single bits of weights and of biases are flipped in the reference, which tells whether the result of
their layer changes on the known input, as the test would see, and whether the outputs do.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from benchmarks.page import PAGE, write_section

from celosia.compiler.compile import compile_graph
from celosia.compiler.host import divide
from celosia.compiler.image import ImageSpace
from celosia.compiler.self_test import checks, known_input
from celosia.compiler.sizing import size_config
from celosia.graph.ir import (
    Array,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    TensorId,
    operands,
)
from celosia.importer import load_tflite
from celosia.known_answers import known_answers
from celosia.passes import optimize
from celosia.tensors import span
from celosia_hw.boards import get_board
from celosia_sim.reference import run

BOARD = "icebreaker"
#: Bytes a second of a UART with 1 Mbaud.
RATE = 100_000
FLIPS = {"weights": 500, "bias": 200}
#: Every so many flips it is also looked at the outputs.
OUTPUTS_EVERY = 4
#: Bits of a bias that are flipped: those that accumulators have.
BIAS_BITS = 20

Weighted = Conv2D | DepthwiseConv2D | FullyConnected


def flipped(op: Weighted, field: str, random: np.random.Generator) -> Weighted:
    """``op`` with one bit of its weights, or of its bias, changed."""
    values = getattr(op, field).copy()
    flat = values.reshape(-1)
    bit = int(random.integers(8 if field == "weights" else BIAS_BITS))
    place = int(random.integers(flat.size))
    flat.view(f"u{flat.itemsize}")[place] ^= 1 << bit
    if field == "weights":
        return replace(op, weights=values)
    return replace(op, bias=values)


def changes(graph: Graph, values: Mapping[TensorId, Array], names: list[TensorId]) -> bool:
    """Whether a graph computes other values than these; one that cannot be computed does."""
    given = {tensor: values[tensor] for tensor in graph.inputs}
    try:
        found = run(graph, given, keep=True)
    except (ValueError, OverflowError):
        return True
    return any(not np.array_equal(found[name], values[name]) for name in names)


def found(graph: Graph, values: Mapping[TensorId, Array], field: str) -> tuple[float, float]:
    """Shares of the flips that change the result of their layer, and the outputs."""
    random = np.random.default_rng(1)
    ops = [op for op in graph.ops if isinstance(op, Weighted)]
    sizes = np.array([getattr(op, field).size for op in ops])
    in_layer, in_outputs = [], []
    for number in range(FLIPS[field]):
        op = ops[int(random.choice(len(ops), p=sizes / sizes.sum()))]
        other = flipped(op, field, random)
        inputs = list(dict.fromkeys(t for t in operands(op) if t in values))
        alone = Graph(graph.name, graph.tensors, [other], inputs, [op.output])
        in_layer.append(changes(alone, values, [op.output]))
        if number % OUTPUTS_EVERY == 0:
            whole = [other if o is op else o for o in graph.ops]
            changed = replace(graph, ops=whole)
            in_outputs.append(changes(changed, values, graph.outputs))
    return float(np.mean(in_layer)), float(np.mean(in_outputs))


def row(model: Path) -> str:
    """A line of the table."""
    graph = optimize(load_tflite(model))
    image = compile_graph(graph, size_config(graph, get_board(BOARD), None))
    test = known_answers(graph, image, run)
    part = divide(graph).graph
    arrays = known_input(test.seed, image.inputs)
    given = {port.tensor: array for port, array in zip(image.inputs, arrays, strict=True)}
    values = {**given, **run(part, given, keep=True)}
    read = sum(span(check.port) for check in checks(image))
    sent = sum(len(s.data) for s in image.sections if s.space != ImageSpace.EXTERNAL)
    sent += sum(math.prod(port.shape) for port in image.inputs)
    cells = [model.stem, len(image.layers), f"{sent:,}", f"{read:,}"]
    cells += [f"{sent / RATE:.2f} s", f"{read / RATE:.2f} s"]
    cells.append(f"{image.cycles / get_board(BOARD).clock_mhz / 1000:.1f} ms")
    for field in FLIPS:
        by_layer, by_outputs = found(part, values, field)
        cells.append(f"{100 * by_layer:.0f} %, {100 * by_outputs:.0f} %")
    return "| " + " | ".join(map(str, cells)) + " |"


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(models: tuple[Path, ...]) -> None:
    """Writes the section for MODELS."""
    rows = []
    for model in models:
        rows.append(row(model))
        print(rows[-1], flush=True)
    text = f"""\
On an iCEBreaker with a link of 1 Mbaud, {datetime.date.today()}. The last two columns
are shares of random single bits, of weights and of biases, that if flipped change what their layer
makes of the known input, and, behind the comma, what the outputs are.

| model | layers | loaded, bytes | read, bytes | loading | reading | run | weights | biases |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
    write_section("self_test", text + "\n".join(rows) + "\n", PAGE.with_name("host.md"))


if __name__ == "__main__":
    main()
