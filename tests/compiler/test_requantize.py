# SPDX-License-Identifier: BSD-2-Clause
"""The requantizer's constants of pools and means, over every sum there can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celosia.arithmetic import pool
from celosia.compiler import requantize
from celosia.compiler.context import Context
from celosia.compiler.parameters import normalized
from celosia.compiler.requantize import Requantization, signed_bits
from celosia.compiler.storage import Placement
from celosia.graph.ir import AveragePool2D, Graph, Mean
from celosia_hw.config import AcceleratorConfig
from celosia_sim.program_model.arithmetic import first_pass
from celosia_sim.tflite_writer import per_tensor


def apply(found: Requantization, sums: np.ndarray) -> np.ndarray:
    """What the hardware makes of sums, from the form in which it gets the constants."""
    config = AcceleratorConfig(accumulator_bits=32, multiplier_bits=32)
    multiplier, shift, tie = normalized(found.entries, config)
    constants = multiplier, config.least_shift + shift, tie << config.multiplier_bits - 1
    biased = sums + found.entries.bias
    return first_pass(biased, constants, found.zero_point, (found.low, found.high))


@pytest.mark.parametrize("tabulated", [0, 1 << 12])
@pytest.mark.parametrize("count", [1, 2, 3, 9, 64, 125, 1000, 4001])
def test_every_sum(
    count: int,
    tabulated: int,
    network: Any,
    load: Callable[[bytes], Graph],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From tabulated sums and from the steps alone."""
    monkeypatch.setattr(requantize, "TABULATED", tabulated)
    x = network.input(1, 4, 4, 2, scale=0.05, zero_point=-7)
    y = network.builder.average_pool_2d(x, window=(2, 2))
    z = network.builder.mean(x, output=per_tensor(0.031, 11))
    graph = network.load(load, y, z, optimized=False)
    config = AcceleratorConfig(accumulator_bits=32, multiplier_bits=32)
    context = Context(graph, config, Placement())
    average = next(op for op in graph.ops if isinstance(op, AveragePool2D))
    mean = next(op for op in graph.ops if isinstance(op, Mean))
    sums = np.arange(-128 * count, 127 * count + 1)
    found = requantize.of_average(context, average, count)
    assert np.array_equal(apply(found, sums), pool.average(sums, count, (-128, 127)))
    found = requantize.of_mean(context, mean, count)
    expected = pool.mean(sums, count, per_tensor(0.05, -7), per_tensor(0.031, 11))
    assert np.array_equal(apply(found, sums), expected)


def test_identity() -> None:
    values = np.arange(-128, 128)
    assert np.array_equal(apply(requantize.identity(), values), values)
    clamped = apply(requantize.identity(-20, 30), values)
    assert np.array_equal(clamped, np.clip(values, -20, 30))


@pytest.mark.parametrize(
    ("low", "high", "bits"), [(0, 0, 1), (-1, 0, 1), (-128, 127, 8), (-129, 0, 9), (0, 128, 9)]
)
def test_signed_bits(low: int, high: int, bits: int) -> None:
    assert signed_bits(low, high) == bits
