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

from celosia.graph.ir import Graph
from celosia_hw.config import AcceleratorConfig
from celosia_sim.network import Arrays, run_networks
from celosia_sim.random_models import random_inputs, random_model
from celosia_sim.reference import run

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


def samples(seed: int, graph: Graph) -> list[Arrays]:
    return [random_inputs(graph, seed * SAMPLES + i) for i in range(SAMPLES)]


@pytest.mark.parametrize(("array", "first"), CASES)
def test_random_models(array: str, first: int, tmp_path: Path) -> None:
    seeds = range(first, first + TOGETHER)
    paths = [tmp_path / f"random_{seed}.tflite" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        path.write_bytes(random_model(seed))
    draws = [partial(samples, seed) for seed in seeds]
    results = run_networks(paths, CONFIGS[array], draws)
    for seed, result in zip(seeds, results, strict=True):
        for sample, outputs in zip(samples(seed, result.graph), result.outputs, strict=True):
            expected = run(result.graph, sample)
            for tensor in result.graph.outputs:
                assert np.array_equal(outputs[tensor], expected[tensor]), seed
