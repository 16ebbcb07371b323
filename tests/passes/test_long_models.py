# SPDX-License-Identifier: BSD-2-Clause
"""The work of the passes grows with the number of operations, not with its square."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

Append = Callable[[ModelBuilder, int, int], int]


def conv(builder: ModelBuilder, x: int, number: int) -> int:
    # The same weights again and again: so many rounds of the passes, however many layers.
    rng = np.random.default_rng(6)
    weights = rng.integers(-127, 128, (2, 1, 1, 2)).astype(np.int8)
    bias = rng.integers(-100, 100, 2).astype(np.int32)
    scales = per_channel(rng.uniform(0.003, 0.01, 2))
    return builder.conv_2d(x, weights, bias, scales, per_tensor(0.1, 3))


def residual(builder: ModelBuilder, x: int, number: int) -> int:
    return builder.add(x, conv(builder, x, number), per_tensor(0.12, 1))


def depthwise(builder: ModelBuilder, x: int, number: int) -> int:
    weights = np.array([[[[-90, 110]]]], np.int8)
    return builder.depthwise_conv_2d(
        x, weights, np.zeros(2, np.int32), per_channel([0.01, 0.01]), per_tensor(0.1)
    )


def pool(builder: ModelBuilder, x: int, number: int) -> int:
    return builder.max_pool_2d(x, window=(1, 1))


def table(builder: ModelBuilder, x: int, number: int) -> int:
    return builder.hard_swish(x, per_tensor(0.1))


def reshape(builder: ModelBuilder, x: int, number: int) -> int:
    return builder.reshape(x, (1, 16, 2) if number % 2 else (1, 4, 4, 2))


def work(file: Path, append: Append, count: int) -> int:
    """Calls of functions, which are the same in every run."""
    builder = ModelBuilder()
    x = builder.input("x", (1, 4, 4, 2), per_tensor(0.1))
    for number in range(count):
        x = append(builder, x, number)
    builder.output(x)
    file.write_bytes(builder.build())
    graph = load_tflite(file)
    with cProfile.Profile() as profile:
        optimize(graph)
    calls: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    return calls


@pytest.mark.parametrize("append", [conv, residual, depthwise, pool, table, reshape])
def test_four_times_the_operations_are_four_times_the_work(append: Append, tmp_path: Path) -> None:
    few, many = (work(tmp_path / "m.tflite", append, count) for count in (25, 100))
    assert many < 5 * few
