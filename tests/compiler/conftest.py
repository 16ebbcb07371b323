# SPDX-License-Identifier: BSD-2-Clause
"""Graphs and configurations for the compiler's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.config import AcceleratorConfig
from celosia_sim.random_models import random_model

Load = Callable[[bytes], Graph]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Imports the bytes of a ``.tflite`` file."""

    def imported(data: bytes) -> Graph:
        path = tmp_path / "model.tflite"
        path.write_bytes(data)
        return load_tflite(path)

    return imported


@pytest.fixture
def random_graph(load: Load) -> Callable[[int], Graph]:
    """The random model of a seed; seven of ten are optimized, the others as the file has them."""

    def made(seed: int) -> Graph:
        graph = load(random_model(seed))
        return optimize(graph) if seed % 10 < 7 else graph

    return made


@pytest.fixture
def random_config() -> Callable[[int], AcceleratorConfig]:
    """A configuration for a seed: any array, memories from tiny to ample, any scratchpad."""

    def made(seed: int) -> AcceleratorConfig:
        rng = np.random.default_rng([seed, 2])
        outputs, inputs = (int(n) for n in rng.choice([2, 4, 8, 16], 2))
        lanes = [q for q in (1, 2, 4, 8) if q <= min(outputs, inputs)]
        return AcceleratorConfig(
            output_channels=outputs,
            input_channels=inputs,
            chain_rows=int(rng.integers(2, outputs + 1)),
            scratch_single_port=bool(rng.integers(2)),
            weight_depth=int(rng.choice([16, 32, 64, 512, 4096])),
            parameter_depth=int(rng.choice([16, 64, 1024])),
            accumulator_bits=32,
            chain_bits=int(rng.choice([16, 22, 32])),
            multiplier_bits=int(rng.choice([31, 32])),
            requantize_lanes=int(rng.choice(lanes)),
        )

    return made
