# SPDX-License-Identifier: BSD-2-Clause
"""Random models give on the accelerator's Verilog the bytes of the integer reference.

The reference equals LiteRT on the same generator's models: tests/reference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celosia.graph.ir import Graph
from celosia_hw.config import AcceleratorConfig
from celosia_sim.network import Arrays, run_network
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
CASES = [("4x4", seed) for seed in range(140)]
CASES += [("8x16", seed) for seed in range(140, 200)]
CASES += [("2x8", seed) for seed in range(200, 240)]
SAMPLES = 2


@pytest.mark.parametrize(("array", "seed"), CASES)
def test_random_model(array: str, seed: int, tmp_path: Path) -> None:
    path = tmp_path / f"random_{seed}.tflite"
    path.write_bytes(random_model(seed))

    def samples(graph: Graph) -> list[Arrays]:
        return [random_inputs(graph, seed * SAMPLES + i) for i in range(SAMPLES)]

    result = run_network(path, CONFIGS[array], samples)
    for sample, outputs in zip(samples(result.graph), result.outputs, strict=True):
        expected = run(result.graph, sample)
        for tensor in result.graph.outputs:
            assert np.array_equal(outputs[tensor], expected[tensor])
