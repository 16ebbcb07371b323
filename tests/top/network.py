# SPDX-License-Identifier: BSD-2-Clause
"""A small network, and an accelerator for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.config import AcceleratorConfig
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

CONFIG = AcceleratorConfig(
    chain_rows=3,
    scratch_bytes=16384,
    weight_depth=64,
    parameter_depth=32,
    accumulator_bits=32,
    multiplier_bits=32,
)


def small_network(path: Path) -> Image:
    """Two convolutions and a fully connected layer, with random weights."""
    rng = np.random.default_rng(17)
    builder = ModelBuilder()
    shapes = (("conv_2d", (4, 3, 3, 3)), ("conv_2d", (8, 1, 1, 4)), ("fully_connected", (6, 128)))
    x = builder.input("image", (1, 4, 4, 3), per_tensor(0.05, -7))
    for method, shape in shapes:
        scales = per_channel(rng.uniform(0.004, 0.02, shape[0]))
        weights = rng.integers(-127, 128, shape).astype(np.int8)
        bias = rng.integers(-2000, 2000, shape[0]).astype(np.int32)
        scale = 0.04 * np.sqrt(weights.size / shape[0])
        x = getattr(builder, method)(x, weights, bias, scales, per_tensor(scale, 3))
    builder.output(x)
    path.write_bytes(builder.build())
    return compile_graph(optimize(load_tflite(path)), CONFIG)
