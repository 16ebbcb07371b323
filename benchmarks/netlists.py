# SPDX-License-Identifier: BSD-2-Clause
"""Simulates the netlists of random configurations, none of them a board's, beside their Verilog.

    python -m benchmarks.netlists --cases 10

Each is synthesized as the build flow does it; its blocks are the family's own, of which the
accelerator's Verilog has twins. Both must return the bytes of the integer reference in the same
cycles. Results are in benchmarks/results/netlists.json.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import click
from rich.progress import track

from celosia_sim.netlist import compile_netlist
from celosia_sim.random_configs import random_case, run_case

RESULTS = Path(__file__).parent / "results" / "netlists.json"
FAMILIES = ("ice40", "ecp5")


def run_one(family: str, seed: int) -> dict[str, Any]:
    case = random_case(seed, 1, family=family)
    cells: dict[str, int] = {}

    def built(config: Any) -> Path:
        folder, counted = compile_netlist(config, family)
        cells.update(counted)
        return folder

    netlist, verilog = run_case(case, built), run_case(case)
    return {
        "family": family,
        "seed": seed,
        "config": case.config.to_dict(),
        "cells": cells,
        "cycles": netlist.cycles[0][1],
        "differences": [d.what for d in netlist.differences],
        "same as the Verilog": netlist == verilog,
    }


@click.command()
@click.option("--first", default=0, show_default=True, help="first seed")
@click.option("--cases", default=10, show_default=True, help="configurations of each family")
def main(first: int, cases: int) -> None:
    """Simulate netlists; the exit code is 1 if one differs from the reference or its Verilog."""
    work = [(family, seed) for family in FAMILIES for seed in range(first, first + cases)]
    results: list[dict[str, Any]] = []
    for family, seed in track(work, description="netlists"):
        results.append(run_one(family, seed))
        for line in results[-1]["differences"]:
            click.echo(f"{family} {seed}: {line}")
        record = {
            "command": f"python -m benchmarks.netlists --first {first} --cases {cases}",
            "date": date.today().isoformat(),
            "netlists": results,
        }
        lines = json.dumps(record).replace('{"family":', '\n{"family":')
        RESULTS.write_text(lines + "\n")
    wrong = sum(bool(r["differences"]) or not r["same as the Verilog"] for r in results)
    click.echo(f"{len(results)} netlists, {wrong} differ")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
