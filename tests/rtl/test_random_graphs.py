# SPDX-License-Identifier: BSD-2-Clause
"""Random models give on the accelerator's Verilog the bytes of the integer reference.

The reference equals LiteRT on the same generator's models: tests/reference.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celosia.compiler.compile import compile_graph
from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia.tensors import from_bytes
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Source
from celosia_sim.accelerator import job_for
from celosia_sim.network import Arrays, run_networks, simulation
from celosia_sim.random_models import addition_model, random_inputs, random_model, split_addition
from celosia_sim.reference import run
from celosia_sim.rtl.run import run_job

#: Wide enough for any accumulator and multiplier.
WIDE: dict[str, Any] = {"accumulator_bits": 32, "multiplier_bits": 32, "chain_bits": 26}
CONFIGS = {
    "4x4": AcceleratorConfig(chain_rows=3, **WIDE),
    "8x16": AcceleratorConfig(
        output_channels=8,
        input_channels=16,
        scratch_single_port=False,
        weight_depth=1024,
        requantize_lanes=8,
        **WIDE,
    ),
    "2x8": AcceleratorConfig(
        output_channels=2,
        input_channels=8,
        chain_rows=2,
        weight_depth=256,
        requantize_lanes=2,
        **WIDE,
    ),
}
#: First and last seed of each array, and how many share a simulation.
SEEDS = {"4x4": (0, 140), "8x16": (140, 200), "2x8": (200, 240)}
TOGETHER = 20
CASES = [
    (array, first) for array, (begin, end) in SEEDS.items() for first in range(begin, end, TOGETHER)
]
SAMPLES = 2


@pytest.mark.parametrize(("array", "first"), CASES)
def test_random_models(array: str, first: int, tmp_path: Path) -> None:
    seeds = range(first, first + TOGETHER)
    check({seed: random_model(seed) for seed in seeds}, array, tmp_path)


def test_residuals_of_several_passes(tmp_path: Path) -> None:
    """Their scales are fractions for which one second pass has no tables."""
    models = {}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        models[seed] = addition_model(rng, split_addition(rng))
    for layers in check(models, "4x4", tmp_path):
        assert layers.count("Add") >= 3


@pytest.mark.parametrize("seed", [50, 65])
def test_weights_go_on_to_arrive_while_a_run_is_paused(seed: int, tmp_path: Path) -> None:
    """Behind every instruction, in models whose weights are a ring that the scratchpad fills."""
    (tmp_path / "m.tflite").write_bytes(random_model(seed))
    graph = optimize(load_tflite(tmp_path / "m.tflite"))
    image = compile_graph(graph, CONFIGS["4x4"])
    assert image.usage["weight_source"] == Source.SCRATCH
    expected = run(graph, random_inputs(graph, seed), keep=True)
    inputs = [expected[port.tensor] for port in image.inputs]
    (result,) = run_job(simulation(image.config), job_for(image, [inputs], by_layer=True))
    for layer in image.layers:
        assert layer.output is not None
        (content,) = result.steps[layer.last]
        found = from_bytes(layer.output, content)
        assert np.array_equal(found, expected[layer.output.tensor]), layer.name


def check(models: dict[int, bytes], array: str, folder: Path) -> list[list[str]]:
    """Compares the outputs of all samples of the models, by seed, which share a simulation; returns
    the kinds of each one's layers."""
    paths = [folder / f"random_{seed}.tflite" for seed in models]
    for path, model in zip(paths, models.values(), strict=True):
        path.write_bytes(model)
    draws = [partial(samples, seed) for seed in models]
    results = run_networks(paths, CONFIGS[array], draws)
    for seed, result in zip(models, results, strict=True):
        for sample, outputs in zip(samples(seed, result.graph), result.outputs, strict=True):
            expected = run(result.graph, sample)
            for tensor in result.graph.outputs:
                assert np.array_equal(outputs[tensor], expected[tensor]), seed
    return [[layer.op for layer in result.image.layers] for result in results]


def samples(seed: int, graph: Graph) -> list[Arrays]:
    return [random_inputs(graph, seed * SAMPLES + i) for i in range(SAMPLES)]
