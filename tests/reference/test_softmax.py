# SPDX-License-Identifier: BSD-2-Clause
"""SOFTMAX against LiteRT, its exponential and its reciprocal against real numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from celosia.arithmetic.softmax import (
    exp_on_negative_values,
    reciprocal,
    softmax,
    softmax_parameters,
)
from celosia.errors import ModelError
from celosia_sim.tflite_writer import ModelBuilder, per_tensor


def rows(rng: np.random.Generator, kind: str, classes: int) -> np.ndarray:
    shape = (40, classes)
    if kind == "uniform":
        return rng.integers(-128, 128, shape).astype(np.int8)
    if kind == "close":
        return (rng.integers(-3, 4, shape) + rng.integers(-120, 121, (40, 1))).astype(np.int8)
    return np.where(rng.random(shape) < 0.5, -128, 127).astype(np.int8)


@pytest.mark.parametrize("kind", ["uniform", "close", "ends"])
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 12, 100, 511])
@pytest.mark.parametrize("scale", [2.0**-24, 2.0**-10, 0.014636, 0.0625, 0.17185, 1.0, 40.0, 1e6])
def test_rows_equal_litert(
    litert: Callable[..., np.ndarray],
    rng: np.random.Generator,
    kind: str,
    classes: int,
    scale: float,
) -> None:
    x = rows(rng, kind, classes)
    for beta in (1.0, 0.3):
        source = per_tensor(scale, -5)
        model = ModelBuilder()
        result = model.softmax(model.input("x", x.shape, source), beta=beta)
        wanted = litert(model, result, x)
        found = softmax(x, source.scale, float(np.float32(beta)))
        np.testing.assert_array_equal(found, wanted)


def test_exponential_is_near_the_real_one(rng: np.random.Generator) -> None:
    x = np.concatenate([-np.arange(1, 3000), rng.integers(-(1 << 31) + 1, 0, 5000)])
    found = exp_on_negative_values(x) / 2.0**31
    np.testing.assert_allclose(found, np.exp(x / 2.0**26), atol=2e-7)
    assert exp_on_negative_values([0]).tolist() == [(1 << 31) - 1]


def test_reciprocal_is_near_the_real_one(rng: np.random.Generator) -> None:
    x = np.concatenate([np.arange(1, 3000), 1 << np.arange(31), rng.integers(1, 1 << 31, 5000)])
    mantissa, exponent = reciprocal(x)
    assert mantissa.min() >= 1 << 30
    real = 2.0**19 / x
    np.testing.assert_allclose(mantissa / 2.0**31 * 2.0 ** -exponent.astype(float), real, rtol=1e-8)


def test_a_sum_too_large_for_the_reference_gives_probabilities_of_zero() -> None:
    # 1/1000 is a quarter of a step of 1/256.
    assert np.all(softmax(np.zeros((1, 1000), np.int8), 0.1, 1.0) == -128)


def test_parameters_out_of_range() -> None:
    with pytest.raises(ModelError, match=r"must exceed 2\^-26"):
        softmax_parameters(2.0**-26, 1.0)
    with pytest.raises(ModelError, match=r"must exceed 2\^-26"):
        softmax_parameters(0.5, float("nan"))
    with pytest.raises(ModelError, match="over 4096 classes"):
        softmax(np.zeros((1, 4096), np.int8), 0.1, 1.0)
