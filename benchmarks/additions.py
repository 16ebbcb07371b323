# SPDX-License-Identifier: BSD-2-Clause
"""Additions of many scales: in how many passes the accelerator computes them, and whether exactly.

    python -m benchmarks.additions

Random scales, and all fractions n/255, n/256 and n/100 of small n for both operands and the sum,
with random zero points and activations. For each the tables of the second pass are compared with
the reference's arithmetic for all 65,536 pairs of operands; an addition of several passes also with
LiteRT. Writes benchmarks/results/additions.json.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator
from itertools import combinations_with_replacement
from math import gcd
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from rich.progress import track

from celosia.arithmetic.add import add_operands, sum_factor
from celosia.arithmetic.add_tables import add_tables
from celosia.graph.ir import Add, DType, Graph, Lookup, Tensor
from celosia.passes import split_adds
from celosia.passes.rewrite import result_clamp
from celosia_sim.litert import run_litert
from celosia_sim.random_models import Addition, fraction_addition, random_addition
from celosia_sim.tflite_writer import ModelBuilder

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "additions.json"
PAIRS = 256, 256
FIRST, SECOND = np.indices(PAIRS).astype(np.int16) - 128


def graph_of(addition: Addition) -> Graph:
    """An ADD of two inputs that have all pairs of operands."""
    *quantizations, activation = addition
    tensors = {
        number: Tensor(name, PAIRS, DType.INT8, quantization)
        for number, (name, quantization) in enumerate(zip("abc", quantizations, strict=True))
    }
    return Graph("addition", tensors, [Add(0, [0, 1], 2, activation=activation)], [0, 1], [2])


def by_tables(graph: Graph) -> npt.NDArray[np.int64] | None:
    """What the accelerator computes for all pairs; None where it has no tables."""
    values = {0: FIRST.astype(np.int64), 1: SECOND.astype(np.int64)}
    for op in graph.ops:
        operands = [values[tensor] + 128 for tensor in op.inputs]
        if isinstance(op, Lookup):
            values[op.output] = np.array(op.values)[operands[0]]
            continue
        assert isinstance(op, Add)
        a, b, c = (graph.tensors[tensor].quantization for tensor in (*op.inputs, op.output))
        assert a is not None
        assert b is not None
        assert c is not None
        tables = add_tables(a, b, c, result_clamp(graph, op))
        if tables is None:
            return None
        values[op.output] = tables.outputs()[operands[0], operands[1]]
    return values[graph.outputs[0]]


def by_litert(addition: Addition) -> npt.NDArray[np.int8]:
    first, second, output, activation = addition
    model = ModelBuilder()
    a, b = model.input("a", PAIRS, first), model.input("b", PAIRS, second)
    total = model.add(a, b, output, activation=activation)
    model.output(total)
    inputs = {a: FIRST.astype(np.int8), b: SECOND.astype(np.int8)}
    return run_litert(model.build(), inputs, [total])[total].astype(np.int8)


def outcome(addition: Addition) -> str:
    """In how many passes ``addition`` is computed, or what is wrong."""
    graph, _ = split_adds.apply(graph_of(addition))
    found = by_tables(graph)
    if found is None:
        return "refused"
    if not np.array_equal(found, add_operands(*addition).outputs()):
        return "wrong"
    if len(graph.ops) > 1 and not np.array_equal(found, by_litert(addition)):
        return "wrong"
    return f"passes {len(graph.ops)}"


def random_additions(count: int, rng: np.random.Generator) -> Iterator[Addition]:
    """Those that LiteRT accepts."""
    while count:
        addition = random_addition(rng)
        if sum_factor(*(q.scale for q in addition[:3])) < 1:
            yield addition
            count -= 1


def fractions(denominator: int, largest: int, rng: np.random.Generator) -> Iterator[Addition]:
    """Every a/d + b/d = c/d with a <= b, as ADD is symmetric. Of multiples of the same three
    numbers one, where the denominator is a power of two: the reference sees ratios only."""
    exact = denominator & (denominator - 1) == 0
    for a, b in combinations_with_replacement(range(1, largest + 1), 2):
        for c in range(1, largest + 1):
            if not exact or gcd(a, b, c) == 1:
                yield fraction_addition(rng, denominator, (a, b, c))


@click.command()
@click.option("--random", "count", default=10_000, show_default=True, help="Random additions.")
@click.option("--largest", default=32, show_default=True, help="Largest n of the fractions.")
def main(*, count: int, largest: int) -> None:
    """Prove many additions; the exit code is 1 if one is refused or wrong."""
    rng = np.random.default_rng(0)
    families = {"random": random_additions(count, rng)}
    families |= {f"n/{d}": fractions(d, largest, rng) for d in (255, 256, 100)}
    results = {
        name: Counter(map(outcome, track(additions, description=name, total=None, transient=True)))
        for name, additions in families.items()
    }
    record = {
        "date": datetime.date.today().isoformat(),
        "command": f"python -m benchmarks.additions --random {count} --largest {largest}",
        "pairs_of_operands": FIRST.size,
        "additions": {
            name: {"additions": found.total(), **dict(sorted(found.items()))}
            for name, found in results.items()
        },
    }
    text = json.dumps(record, indent=2)
    RESULT.write_text(text + "\n")
    click.echo(text)
    if any(found["refused"] or found["wrong"] for found in results.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
