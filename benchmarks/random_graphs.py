# SPDX-License-Identifier: BSD-2-Clause
"""Runs random models on the program model, on random configurations, against the integer reference.

    python -m benchmarks.random_graphs --first 100000 --cases 1000 --models 10

A case is a configuration with some models for it (celosia_sim.random_configs); each runs once,
layer by layer: no byte of any layer's output may differ. What was run is written to
benchmarks/results/random_graphs.json. ``benchmarks/configurations.py`` does the same in RTL.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import click
import numpy as np
from rich.progress import track

from celosia_sim.program_model.compare import first_difference
from celosia_sim.random_configs import random_case
from celosia_sim.random_models import random_inputs
from celosia_sim.reference import run

RESULTS = Path(__file__).parent / "results" / "random_graphs.json"


def run_one(seed: int, models: int) -> tuple[list[str], Counter[str]]:
    """What differs in a case, and how many models, layers and bytes were compared."""
    differences = []
    compared: Counter[str] = Counter()
    case = random_case(seed, models)
    for model in case.models:
        sample = random_inputs(model.graph, model.seed)
        if found := first_difference(model.image, model.optimized, sample, seed):
            differences.append(f"case {seed}, model {model.seed}: {found}")
        # The passes must not have changed what the file's own graph returns.
        wanted, tensors = run(model.graph, sample), run(model.optimized, sample, keep=True)
        for tensor in model.graph.outputs:
            if not np.array_equal(tensors[tensor], wanted[tensor]):
                differences.append(f"case {seed}, model {model.seed}: the passes change {tensor}")
        ports = [layer.output for layer in model.image.layers if layer.output is not None]
        compared["models"] += 1
        compared["layers"] += len(ports)
        compared["bytes"] += sum(tensors[port.tensor].nbytes for port in ports)
    return differences, compared


@click.command()
@click.option("--first", default=100_000, show_default=True, help="first seed")
@click.option("--cases", default=1000, show_default=True, help="how many configurations")
@click.option("--models", default=10, show_default=True, help="models for each")
@click.option("--jobs", default=2, show_default=True, help="how many at the same time")
def main(first: int, cases: int, models: int, jobs: int) -> None:
    """Run random models on the program model; the exit code is 1 if a byte differs."""
    differences: list[str] = []
    compared: Counter[str] = Counter()
    seeds = range(first, first + cases)
    with ProcessPoolExecutor(jobs) as pool:
        results = pool.map(run_one, seeds, [models] * cases, chunksize=4)
        for found, counts in track(results, description="cases", total=cases):
            differences += found
            compared += counts
            for line in found:
                click.echo(line)
    command = f"python -m benchmarks.random_graphs --first {first} --cases {cases}"
    record = {
        "command": f"{command} --models {models}",
        "date": date.today().isoformat(),
        "compared": dict(compared),
        "differences": differences,
    }
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    click.echo(", ".join(f"{count:,} {what}" for what, count in compared.items()))
    click.echo(f"{len(differences)} differ")
    raise SystemExit(1 if differences else 0)


if __name__ == "__main__":
    main()
