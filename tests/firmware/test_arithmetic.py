# SPDX-License-Identifier: BSD-2-Clause
"""The driver's integer arithmetic against that of celosia.arithmetic, value for value."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from celosia.arithmetic.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantize,
)
from celosia.arithmetic.softmax import softmax, softmax_parameters


def softmax_of(library: ctypes.CDLL, row: np.ndarray, scale: float, beta: float) -> np.ndarray:
    data = row.tobytes()
    output = ctypes.create_string_buffer(len(data) + 1)
    library.celosia_softmax(data, output, len(data), *softmax_parameters(scale, beta))
    assert output.raw[-1] == 0
    return np.frombuffer(output.raw[:-1], np.int8)


@pytest.mark.parametrize(
    "scale", [2.0**-25, 2.0**-10, 0.014636, 0.0625, 0.17185, 0.293558597, 1.0, 40.0, 1e6]
)
@pytest.mark.parametrize("beta", [1.0, 0.3, 2.5])
def test_softmax(library: ctypes.CDLL, scale: float, beta: float) -> None:
    rng = np.random.default_rng(1)
    if scale * beta <= 2.0**-26:
        beta = 1.0
    for classes in (1, 2, 3, 10, 12, 100, 511, 1000, 4095):
        for low, high in ((-128, 128), (-4, 4), (120, 128), (-128, -127)):
            row = rng.integers(low, high, classes).astype(np.int8)
            found = softmax_of(library, row, scale, beta)
            np.testing.assert_array_equal(found, softmax(row, scale, beta))


def test_softmax_of_all_pairs(library: ctypes.CDLL) -> None:
    """Two classes have every difference, and so every exponential."""
    for difference in range(256):
        row = np.array([127, 127 - difference], np.int8)
        for scale in (0.003, 0.05, 0.9):
            found = softmax_of(library, row, scale, 1.0)
            np.testing.assert_array_equal(found, softmax(row, scale, 1.0))


def values(rng: np.random.Generator) -> list[int]:
    edges = [INT32_MIN, INT32_MIN + 1, -(1 << 30), -3, -2, -1, 0, 1, 2, 3, 1 << 30, INT32_MAX]
    some = rng.integers(INT32_MIN, INT32_MAX + 1, 60)
    return edges + [int(x) for x in (*some, *rng.integers(-3000, 3000, 60))]


def test_multiply_and_requantize(library: ctypes.CDLL) -> None:
    rng = np.random.default_rng(2)
    multipliers = [
        0,
        1 << 30,
        (1 << 30) + 1,
        INT32_MAX,
        *rng.integers(1 << 30, 1 << 31, 5).tolist(),
    ]
    for x in values(rng):
        for multiplier in multipliers:
            for shift in range(-31, 32):
                wanted = int(multiply_by_quantized_multiplier(x, multiplier, shift))
                assert library.celosia_multiply(x, multiplier, shift) == wanted
                if shift % 5 == 0:
                    zero_point = int(rng.integers(-128, 128))
                    result = requantize(x, multiplier, shift, zero_point, (-128, 127))
                    found = library.celosia_requantize(x, multiplier, shift, zero_point)
                    assert found == int(result)


def test_quantizing_a_fixed_point_number(library: ctypes.CDLL) -> None:
    """A Q16 number through 1 / scale is the nearest step, or the one beside it on a tie."""
    rng = np.random.default_rng(3)
    for scale in (0.0039215689, 0.05, 1.7):
        multiplier, shift = (int(v) for v in quantize_multiplier(1 / scale))
        for real in rng.uniform(-100 * scale, 100 * scale, 200):
            x = round(real * 65536)
            found = library.celosia_requantize(x, multiplier, shift - 16, 5)
            assert abs(found - 5 - real / scale) < 0.5 + 1 / (65536 * scale) + 1e-6


def test_pixels(library: ctypes.CDLL) -> None:
    assert [library.celosia_pixel(p) for p in range(256)] == list(range(-128, 128))


def test_argmax_is_the_first_of_the_largest(library: ctypes.CDLL) -> None:
    rng = np.random.default_rng(4)
    for count in (1, 2, 7, 300):
        for low, high in ((-128, 128), (-128, -126), (125, 128)):
            row = rng.integers(low, high, count).astype(np.int8)
            assert library.celosia_argmax(row.tobytes(), count) == int(np.argmax(row))
