# SPDX-License-Identifier: BSD-2-Clause
"""The primitives against gemmlowp's steps in Python's integers, and against LiteRT."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from celosia.arithmetic.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    clamp_range,
    conv_multipliers,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantize,
    round_half_away,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    wrap_int32,
)
from celosia.errors import ModelError
from celosia.graph.ir import Activation, DType
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

EXTREMES = [INT32_MIN, INT32_MIN + 1, -(1 << 30), -3, -2, -1, 0, 1, 2, 3, 1 << 30, INT32_MAX]


def high_mul(a: int, b: int) -> int:
    """gemmlowp: a nudge by the product's sign, then a division towards zero."""
    if a == b == INT32_MIN:
        return INT32_MAX
    total = a * b + ((1 << 30) if a * b >= 0 else 1 - (1 << 30))
    return abs(total) // (1 << 31) * (1 if total >= 0 else -1)


def divide_by_pot(x: int, exponent: int) -> int:
    """gemmlowp: a shift, and one more if the remainder exceeds half."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def int32(rng: np.random.Generator, count: int) -> list[int]:
    """Random values of all magnitudes."""
    values = rng.integers(INT32_MIN, INT32_MAX, count, endpoint=True)
    return [int(v) for v in values >> rng.integers(0, 32, count)]


def test_high_mul_equals_gemmlowp(rng: np.random.Generator) -> None:
    pairs = [(a, b) for a in EXTREMES for b in EXTREMES]
    pairs += list(zip(int32(rng, 5000), int32(rng, 5000), strict=True))
    # Exact halves: odd multiples of 2^30.
    pairs += [(odd, 1 << 30) for odd in range(-99, 100, 2)]
    a, b = np.array(pairs).T
    wanted = [high_mul(*pair) for pair in pairs]
    assert saturating_rounding_doubling_high_mul(a, b).tolist() == wanted


def test_division_by_a_power_of_two_equals_gemmlowp(rng: np.random.Generator) -> None:
    for exponent in range(32):
        half = (1 << exponent) >> 1
        near = [k * half + d for k in range(-9, 10) for d in (-1, 0, 1)]
        values = [x for x in EXTREMES + near + int32(rng, 200) if INT32_MIN <= x <= INT32_MAX]
        wanted = [divide_by_pot(x, exponent) for x in values]
        assert rounding_divide_by_pot(values, exponent).tolist() == wanted, exponent


def test_halves_go_away_from_zero_in_the_second_rounding() -> None:
    assert rounding_divide_by_pot([-6, -5, -2, -1, 1, 2, 5, 6], 2).tolist() == [
        -2, -1, -1, 0, 0, 1, 1, 2,
    ]  # fmt: skip


def test_left_shift_wraps_like_int32() -> None:
    # 3 * 2^30 is -2^30 in int32.
    assert multiply_by_quantized_multiplier(3, 1 << 30, 30).item() == -(1 << 29)
    assert wrap_int32([1 << 31, -(1 << 31) - 1]).tolist() == [INT32_MIN, INT32_MAX]


@pytest.mark.parametrize(
    ("real", "multiplier", "shift"),
    [
        (1.0, 1 << 30, 1),
        (0.5, 1 << 30, 0),
        (0.75, 3 << 29, 0),
        (0.0, 0, 0),
        (2.0**-31, 1 << 30, -30),
        (2.0**-32, 1 << 30, -31),
        (2.0**-33, 0, 0),
        (1 - 2.0**-40, 1 << 30, 1),  # rounds up to 2^31, which is halved
        (2.0**-32 * (1 - 2.0**-40), 1 << 30, -31),
        (0.5 + 2.0**-32, (1 << 30) + 1, 0),  # half of the last bit goes up
        (2.0**30, 1 << 30, 31),
    ],
)
def test_quantize_multiplier(real: float, multiplier: int, shift: int) -> None:
    found = quantize_multiplier(real)
    assert (found[0].item(), found[1].item()) == (multiplier, shift)


@pytest.mark.parametrize(
    "real", [2.0**31, 2.0**31 * (1 - 2.0**-40), float("inf"), float("nan"), -0.5]
)
def test_multipliers_that_the_reference_leaves_undefined(real: float) -> None:
    with pytest.raises(ModelError, match="ratio of scales"):
        quantize_multiplier([0.5, real])


def test_conv_multipliers_divide_in_double_precision() -> None:
    scales = [float(np.float32(0.1)), float(np.float32(0.3))]
    multipliers, shifts = conv_multipliers(0.7, scales, 1.3)
    for scale, multiplier, shift in zip(scales, multipliers, shifts, strict=True):
        assert multiplier * 2.0 ** (shift - 31) == pytest.approx(0.7 * scale / 1.3, rel=2.0**-30)


@pytest.mark.parametrize("effective_bits", [*range(-45, -20, 4), *range(-20, 8), 20, 30])
@pytest.mark.parametrize("exact_power", [False, True])
def test_requantization_equals_litert(
    litert: Callable[..., np.ndarray],
    rng: np.random.Generator,
    effective_bits: int,
    exact_power: bool,
) -> None:
    """Weights of zero let biases be any accumulators: ties, saturation, shifts to the left."""
    count = 512
    effective = 2.0**effective_bits * (1.0 if exact_power else float(rng.uniform(0.5, 1)))
    # Accumulators whose results lie within int8, with odd halves, and some far out.
    reach = min(2.0**31 - 1, 400 / effective)
    bias = np.rint(rng.uniform(-reach, reach, count))
    bias[::8] = np.rint((rng.integers(-128, 128, count // 8) + 0.5) / effective)
    bias[1::16] = np.array(int32(rng, count // 16))
    accumulators = np.clip(bias, INT32_MIN, INT32_MAX).astype(np.int32)
    zero_point = int(rng.integers(-128, 128))

    source, scales = per_tensor(effective), np.ones(count)
    model = ModelBuilder()
    image = model.input("image", (1, 1, 1, 1), source)
    zeros = np.zeros((count, 1, 1, 1), np.int8)
    output = per_tensor(1.0, zero_point)
    result = model.conv_2d(image, zeros, accumulators, per_channel(scales), output)
    wanted = litert(model, result, np.full((1, 1, 1, 1), 17, np.int8)).ravel()

    multipliers = conv_multipliers(source.scale, scales, 1.0)
    found = requantize(accumulators, *multipliers, zero_point, (-128, 127))
    np.testing.assert_array_equal(found, wanted)


def test_clamp_ranges() -> None:
    output = per_tensor(0.1, -3)
    assert clamp_range(Activation.NONE, output) == (-128, 127)
    assert clamp_range(Activation.RELU, output) == (-3, 127)
    assert clamp_range(Activation.RELU6, output) == (-3, 57)
    assert clamp_range(Activation.RELU_N1_TO_1, output) == (-13, 7)
    assert clamp_range(Activation.RELU, per_tensor(0.1, 200), DType.UINT8) == (200, 255)
    # 6 / 4 is a half, which goes away from zero.
    assert clamp_range(Activation.RELU6, per_tensor(4.0, 0)) == (0, 2)
    assert clamp_range(Activation.RELU_N1_TO_1, per_tensor(2.0, 0)) == (-1, 1)
    assert clamp_range(Activation.RELU6, per_tensor(2.0**-28, -128)) == (-128, 127)


def test_activation_beyond_int32_is_refused() -> None:
    with pytest.raises(ModelError, match=r"scale of 1e-10 is too small: 6 divided by it"):
        clamp_range(Activation.RELU6, per_tensor(1e-10))


def test_round_half_away() -> None:
    below_half = np.nextafter(np.float32(0.5), np.float32(0))
    values = np.array([0.5, 1.5, -0.5, -1.5, -2.4, below_half, 8388609.0], np.float32)
    assert round_half_away(values).tolist() == [1, 2, -1, -2, -2, 0, 8388609]
