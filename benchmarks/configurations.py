# SPDX-License-Identifier: BSD-2-Clause
"""Runs random configurations with random models in RTL, against the integer reference.

    python -m benchmarks.configurations --cases 200 --models 10

A case is a configuration with some models for it (celosia_sim.random_configs); every fourth has a
configuration that sizing returns for a board, each shape of these in turn. What has run is kept in
benchmarks/results/configurations.json, with a hash of the gateware that it ran on: the same command
goes on where it was stopped. The exit code is 1 if a byte differs, or if a pair of parameter values
was not met.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress

import celosia_hw
from celosia_hw.config import AcceleratorConfig
from celosia_sim.random_configs import random_case, run_case, sized_shapes
from celosia_sim.random_configs.coverage import Coverage, config_levels, model_levels
from celosia_sim.random_configs.run import compile_verilog

RESULTS = Path(__file__).parent / "results" / "configurations.json"


def gateware_hash() -> str:
    """Tells one state of the gateware's sources from another."""
    folder = Path(celosia_hw.__file__).parent
    digest = hashlib.sha256()
    for path in sorted((folder / "gateware").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def run_one(seed: int, models: int) -> dict[str, Any]:
    """What is kept of a case."""
    case = random_case(seed, models)
    folders = []

    def built(config: AcceleratorConfig) -> Path:
        folders.append(compile_verilog(config))
        return folders[0]

    result = run_case(case, built)
    # A simulation that is not needed again takes a few megabytes.
    shutil.rmtree(folders[0])
    return {
        "seed": seed,
        "shape": case.sized.name if case.sized else None,
        "config": case.config.to_dict(),
        "models": [
            {"seed": model.seed, "levels": model_levels(model), "cycles": cycles}
            for model, cycles in zip(case.models, result.cycles, strict=True)
        ],
        "differences": [f"model {d.model}: {d.what}" for d in result.differences],
    }


@click.command()
@click.option("--first", default=0, show_default=True, help="first seed")
@click.option("--cases", default=200, show_default=True, help="how many configurations")
@click.option("--models", default=10, show_default=True, help="models for each")
@click.option("--jobs", default=2, show_default=True, help="how many at the same time")
def main(first: int, cases: int, models: int, jobs: int) -> None:
    """Run random configurations with random models, and print what was covered."""
    command = f"python -m benchmarks.configurations --first {first} --cases {cases}"
    command += f" --models {models}"
    gateware = gateware_hash()
    kept: list[dict[str, Any]] = []
    if RESULTS.exists():
        before = json.loads(RESULTS.read_text())
        if (before["command"], before["gateware"]) == (command, gateware):
            kept = before["cases"]
    done = {case["seed"] for case in kept}
    seeds = [seed for seed in range(first, first + cases) if seed not in done]
    with Progress() as progress, ProcessPoolExecutor(jobs) as pool:
        task = progress.add_task("configurations", total=cases, completed=len(done))
        futures = [pool.submit(run_one, seed, models) for seed in seeds]
        for future in as_completed(futures):
            kept.append(future.result())
            for line in kept[-1]["differences"]:
                progress.print(f"case {kept[-1]['seed']}: {line}")
            progress.advance(task)
            save(kept, command, gateware)
    raise SystemExit(report(kept))


def save(cases: list[dict[str, Any]], command: str, gateware: str) -> None:
    record = {
        "command": command,
        "date": date.today().isoformat(),
        "gateware": gateware,
        "cases": sorted(cases, key=lambda case: int(case["seed"])),
    }
    lines = json.dumps(record, separators=(",", ":")).replace('{"seed":', '\n{"seed":')
    temporary = RESULTS.with_suffix(".new")
    temporary.write_text(lines + "\n")
    temporary.replace(RESULTS)


def report(cases: list[dict[str, Any]]) -> int:
    """Prints the coverage; the exit code."""
    coverage = Coverage()
    for case in cases:
        for model in case["models"]:
            config = AcceleratorConfig.from_dict(case["config"])
            coverage.add({**config_levels(config), **model["levels"]})
    click.echo("\n".join(coverage.table()))
    empty = coverage.empty()
    for cell in empty:
        click.echo(f"never met: {cell}")
    shapes = {shape.name for shape in sized_shapes()}
    missing = shapes - {case["shape"] for case in cases}
    for name in sorted(missing):
        click.echo(f"never run: {name}")
    pairs = sum(len(case["models"]) for case in cases)
    differing = sum(bool(case["differences"]) for case in cases)
    errors = sorted(
        abs(p / c - 1) for x in cases for m in x["models"] for p, c in [m["cycles"]] if c
    )
    if errors:
        worst, median = errors[-1], errors[len(errors) // 2]
        click.echo(f"predicted cycles are off by {median:.1%} in the median, {worst:.1%} at most")
    click.echo(
        f"{len(cases)} configurations, {pairs} pairs with a model: {differing} configurations "
        f"differ; {len(empty)} pairs of values and {len(missing)} of {len(shapes)} shapes that "
        "sizing returns were not met"
    )
    return 1 if differing or empty or missing else 0


if __name__ == "__main__":
    main()
