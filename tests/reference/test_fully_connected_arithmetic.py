# SPDX-License-Identifier: BSD-2-Clause
"""FULLY_CONNECTED's one rounding in double precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from celosia.arithmetic.fixed_point import conv_multipliers, requantize
from celosia.arithmetic.fully_connected import (
    fully_connected_scales,
    fully_connected_steps,
    requantize_fully_connected,
    rescale_fully_connected,
)
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor


@pytest.mark.parametrize("magnitude", range(5, 31))
@pytest.mark.parametrize("channels_have_scales", [False, True])
@pytest.mark.parametrize("exact_power", [False, True])
def test_rescaling_equals_litert(
    litert: Callable[..., np.ndarray],
    magnitude: int,
    channels_have_scales: bool,
    exact_power: bool,
) -> None:
    rng = np.random.default_rng([magnitude, channels_have_scales, exact_power])
    count = 512
    bias = rng.integers(-(1 << magnitude), 1 << magnitude, count).astype(np.int32)
    effective = 2.0 ** (8 - magnitude) * (1.0 if exact_power else float(rng.uniform(0.5, 1)))
    source, output = per_tensor(effective), per_tensor(1.0, int(rng.integers(-128, 128)))
    exponents = rng.integers(-2, 1, count) if exact_power else rng.uniform(-2, 0, count)
    weights = per_channel(2.0**exponents) if channels_have_scales else per_tensor(1.0)
    model = ModelBuilder()
    x = model.input("x", (1, 3), source)
    result = model.fully_connected(x, np.zeros((count, 3), np.int8), bias, weights, output)
    wanted = litert(model, result, np.full((1, 3), 9, np.int8))[0]

    scales = fully_connected_scales(source.scale, weights.scales, output.scale)
    found = requantize_fully_connected(bias, scales, output.zero_point, (-128, 127))
    np.testing.assert_array_equal(found, wanted)


def test_it_differs_from_the_convolutions() -> None:
    """Two roundings carry 103.46875 to 103.5 and on to 104."""
    effective = 2.0**-5
    scales = fully_connected_scales(effective, [1.0], 1.0)
    assert requantize_fully_connected([3311], scales, 0, (-128, 127)).item() == 103
    multipliers = conv_multipliers(effective, [1.0], 1.0)
    assert requantize([3311], *multipliers, 0, (-128, 127)).item() == 104


def test_halves_go_away_from_zero() -> None:
    assert rescale_fully_connected([-3, -1, 1, 3], 0.5).tolist() == [-2, -1, 1, 2]


def test_steps_are_where_the_function_steps(rng: np.random.Generator) -> None:
    scales = np.concatenate([2.0 ** rng.uniform(-24, 1, 60), 2.0 ** np.arange(-20.0, 2)])
    levels = np.arange(-255, 256)
    at = fully_connected_steps(scales, levels)
    inside = np.abs(at) < 1 << 31
    assert inside.mean() > 0.9

    def reaches(accumulators: np.ndarray) -> np.ndarray:
        return np.asarray(rescale_fully_connected(accumulators, scales[:, None]) >= levels)

    assert np.all(reaches(at)[inside])
    assert not np.any(reaches(at - 1)[inside])


def test_levels_out_of_reach() -> None:
    at = fully_connected_steps([2.0**-30], [-5, 1, 5])
    assert at.tolist() == [[-(1 << 31), 1 << 29, 1 << 31]]
