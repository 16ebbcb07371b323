# SPDX-License-Identifier: BSD-2-Clause
"""Graphs and configurations for the compiler's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image
from celosia.graph.ir import Graph, Quantization
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.config import AcceleratorConfig
from celosia_sim.program_model import first_difference
from celosia_sim.random_models import random_inputs, random_model
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

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


class Network:
    """A ModelBuilder with random weights and scales that keep results within the int8 range."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = ModelBuilder()

    def input(self, *shape: int, scale: float = 0.05, zero_point: int = -7) -> int:
        return self.builder.input("input", shape, per_tensor(scale, zero_point))

    def conv(self, x: int, outputs: int, window: tuple[int, int] = (1, 1), **options: Any) -> int:
        weights = self._int8(outputs, *window, self.builder.shape(x)[3])
        return self._weighted(self.builder.conv_2d, x, weights, outputs, 0, **options)

    def depthwise(
        self, x: int, window: tuple[int, int] = (3, 3), *, multiplier: int = 1, **options: Any
    ) -> int:
        outputs = self.builder.shape(x)[3] * multiplier
        weights = self._int8(1, *window, outputs)
        return self._weighted(self.builder.depthwise_conv_2d, x, weights, outputs, 3, **options)

    def dense(self, x: int, outputs: int, inputs: int, **options: Any) -> int:
        weights = self._int8(outputs, inputs)
        return self._weighted(self.builder.fully_connected, x, weights, outputs, 0, **options)

    def load(self, load: Load, *outputs: int, optimized: bool = True) -> Graph:
        """The graph with these outputs."""
        for tensor in outputs:
            self.builder.output(tensor)
        graph = load(self.builder.build())
        return optimize(graph) if optimized else graph

    def _int8(self, *shape: int) -> npt.NDArray[np.int8]:
        return self.rng.integers(-127, 128, shape).astype(np.int8)

    def _weighted(
        self,
        method: Callable[..., int],
        x: int,
        weights: npt.NDArray[np.int8],
        outputs: int,
        axis: int,
        *,
        zero_point: int = 3,
        output: Quantization | None = None,
        **options: Any,
    ) -> int:
        scales = per_channel(self.rng.uniform(0.004, 0.02, outputs), axis)
        terms = weights.size / outputs
        scale = 0.05 * 0.012 * 73 * 50 * terms**0.5 / 60
        bias = self.rng.integers(-2000, 2000, outputs).astype(np.int32)
        output = output or per_tensor(scale, zero_point)
        return method(x, weights, bias, scales, output, **options)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def exact() -> Callable[..., Image]:
    """``exact(graph, config)`` compiles, compares all layers for random inputs, and returns the
    image."""

    def checked(graph: Graph, config: AcceleratorConfig, **options: Any) -> Image:
        image = compile_graph(graph, config, **options)
        for seed in range(2):
            assert first_difference(image, graph, random_inputs(graph, seed), seed) is None
        return image

    return checked


@pytest.fixture
def config() -> Callable[..., AcceleratorConfig]:
    """``config("8x16", **changes)``: widths that suffice for anything."""

    def made(array: str = "4x4", **changes: Any) -> AcceleratorConfig:
        outputs, inputs = map(int, array.split("x"))
        defaults: dict[str, Any] = {
            "output_channels": outputs,
            "input_channels": inputs,
            "chain_rows": outputs,
            "accumulator_bits": 32,
            "chain_bits": 28,
            "multiplier_bits": 32,
            "requantize_lanes": min(outputs, inputs, 4),
        }
        return AcceleratorConfig(**{**defaults, **changes})

    return made
