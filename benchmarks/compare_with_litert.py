# SPDX-License-Identifier: BSD-2-Clause
"""Compares the integer reference with LiteRT on many random models, every tensor of each.

The tests do the same with a few thousand; this goes on for as long as one likes:

    python benchmarks/compare_with_litert.py --first 100000 --models 50000 --size 2
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import click
import numpy as np
from rich.progress import track

from celosia.importer import load_tflite
from celosia_sim.litert import run_litert
from celosia_sim.random_models import random_inputs, random_model
from celosia_sim.reference import run


def differing(seed: int, size: int, path: Path) -> list[str]:
    """Names of the operations whose results differ, for one seed."""
    model = random_model(seed, size)
    path.write_bytes(model)
    graph = load_tflite(path)
    inputs = random_inputs(graph, seed)
    found = run(graph, inputs, keep=True)
    wanted = run_litert(model, inputs, list(found))
    return [
        op.kind
        for op in graph.ops
        if found[op.output].dtype != wanted[op.output].dtype
        or not np.array_equal(found[op.output], wanted[op.output])
    ]


@click.command()
@click.option("--first", default=0, show_default=True, help="first seed")
@click.option("--models", default=10_000, show_default=True, help="how many seeds")
@click.option("--size", default=1, show_default=True, help="bound of each model's size")
def main(first: int, models: int, size: int) -> None:
    """Compare random models with LiteRT; the exit code is 1 if any tensor differs."""
    failures: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        for seed in track(range(first, first + models), description="models"):
            for kind in differing(seed, size, path):
                failures[kind] += 1
                click.echo(f"seed {seed}: {kind} differs")
    click.echo(f"{models} models, {failures.total()} tensors differ {dict(failures) or ''}")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
