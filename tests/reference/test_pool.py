# SPDX-License-Identifier: BSD-2-Clause
"""The divisions of AVERAGE_POOL_2D and MEAN."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from celosia.arithmetic.pool import average, mean, mean_multiplier
from celosia.graph.ir import Graph
from celosia_sim.reference import run
from celosia_sim.tflite_writer import ModelBuilder, per_tensor


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 9, 64, 125, 2304])
def test_average_rounds_halves_away_from_zero(count: int) -> None:
    sums = np.unique(np.concatenate([np.arange(-300, 301), [-128 * count, 127 * count]]))
    sums = sums[(sums >= -128 * count) & (sums <= 127 * count)]
    found = average(sums, count, (-128, 127))
    for total, result in zip(sums.tolist(), found.tolist(), strict=True):
        exact = Fraction(total, count)
        away = int(abs(exact) + Fraction(1, 2)) * (1 if exact > 0 else -1)
        assert result == away, (total, count)


def test_average_clamps() -> None:
    assert average([-40, 0, 40], 4, (-5, 6)).tolist() == [-5, 0, 6]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 49, 64, 72, 121])
@pytest.mark.parametrize("factor", [1.0, 0.5, 3.0, 0.37, 2.0**-12, 2.0**-31, 2.0**8])
@pytest.mark.parametrize("keep_dims", [False, True])
def test_mean_equals_litert(
    litert: Callable[..., np.ndarray], count: int, factor: float, keep_dims: bool
) -> None:
    rng = np.random.default_rng(count)
    channels = 64
    image = rng.integers(-128, 128, (1, 1, count, channels)).astype(np.int8)
    image[..., 0], image[..., 1] = -128, 127
    source = per_tensor(0.05, 13)
    output = per_tensor(source.scale / factor, -20)
    model = ModelBuilder()
    x = model.input("x", image.shape, source)
    result = model.mean(x, (1, 2), output, keep_dims=keep_dims)
    wanted = litert(model, result, image)
    found = mean(image.astype(np.int64).sum(axis=(1, 2)), count, source, output)
    np.testing.assert_array_equal(found.ravel(), wanted.ravel())


def test_mean_multiplier_keeps_its_bits() -> None:
    assert mean_multiplier(1.0, 1.0, 1) == (1 << 30, 1)
    assert mean_multiplier(1.0, 1.0, 64) == (1 << 30, -5)
    multiplier, shift = mean_multiplier(1.0, 1.0, 3)
    assert (multiplier, shift) == ((1 << 31) // 3, 0)


@pytest.mark.parametrize("kind", ["max_pool_2d", "average_pool_2d"])
@pytest.mark.parametrize(("window", "stride"), [((3, 5), (2, 1)), ((5000, 5000), (1, 3))])
@pytest.mark.parametrize("same", [True, False])
def test_windows_equal_litert(
    litert: Callable[..., np.ndarray],
    imported: Callable[[bytes], Graph],
    kind: str,
    window: tuple[int, int],
    stride: tuple[int, int],
    same: bool,
) -> None:
    """Windows of any size take no more than the image does: 5000 x 5000 elements took 1 GB."""
    image = np.random.default_rng(4).integers(-128, 128, (1, 6, 7, 3)).astype(np.int8)
    if not same:
        window = (min(window[0], 6), min(window[1], 7))
    model = ModelBuilder()
    x = model.input("x", image.shape, per_tensor(0.05, 13))
    padding = "SAME" if same else "VALID"
    result = getattr(model, kind)(x, window=window, stride=stride, padding=padding)
    wanted = litert(model, result, image)
    graph = imported(model.build())
    found = run(graph, {graph.inputs[0]: image})[graph.outputs[0]]
    np.testing.assert_array_equal(found, wanted)
