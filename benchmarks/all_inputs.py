# SPDX-License-Identifier: BSD-2-Clause
"""Runs the MLPerf Tiny models on many real inputs in RTL and compares them with LiteRT.

    python -m benchmarks.all_inputs

Too long for the tests: all recordings for keyword spotting, all images, 20 windows of sound. Writes
benchmarks/results/all_inputs.json.
"""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

import click
import numpy as np
from rich.progress import track

from celosia.compiler.sizing import size_config
from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.boards import get_board
from celosia_sim.litert import run_litert
from celosia_sim.mlperf_tiny import real_inputs
from celosia_sim.network import Arrays, run_network

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "all_inputs.json"
COUNTS = {
    "kws_ref_model": 1000,
    "pretrainedResnet_quant": 1000,
    "vww_96_int8": 1000,
    "ad01_int8": 20,
}


@click.command()
@click.option("--board", default="icebreaker", show_default=True, help="A board's name.")
def main(*, board: str) -> None:
    """Compare the outputs of all inputs; the exit code is 1 if a byte differs."""
    given = os.environ.get("CELOSIA_MLPERF_TINY")
    folder = Path(given) if given else ROOT.parent / "shared" / "mlperf_tiny"
    if not folder.is_dir():
        raise click.ClickException("set CELOSIA_MLPERF_TINY to the folder of the models and inputs")
    results = []
    for name in track(COUNTS, description="Simulating", transient=True):
        path = folder / "models" / f"{name}.tflite"
        config = size_config(optimize(load_tflite(path)), get_board(board), None)

        def samples(graph: Graph, name: str = name) -> list[Arrays]:
            chosen = real_inputs(folder, graph, COUNTS[name])
            return [{graph.inputs[0]: sample} for sample in chosen]

        found = run_network(path, config, samples)
        graph = found.graph
        equal = 0
        for sample, outputs in zip(samples(graph), found.outputs, strict=True):
            expected = run_litert(path.read_bytes(), sample, graph.outputs)
            equal += all(np.array_equal(outputs[t], expected[t]) for t in graph.outputs)
        results.append(
            {
                "model": name,
                "array": config.name,
                "inputs": len(found.outputs),
                "equal_to_litert": equal,
                "cycles": found.cycles[0],
            }
        )
    record = {
        "date": datetime.date.today().isoformat(),
        "command": f"python -m benchmarks.all_inputs --board {board}",
        "results": results,
    }
    text = json.dumps(record, indent=2)
    RESULT.write_text(text + "\n")
    click.echo(text)
    if any(result["inputs"] != result["equal_to_litert"] for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
