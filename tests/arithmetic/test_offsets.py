# SPDX-License-Identifier: BSD-2-Clause
"""Constants of a single rounding that need an offset of the accumulator."""

from __future__ import annotations

import numpy as np
import pytest

from celosia.arithmetic.bits import required_bits
from celosia.arithmetic.fixed_point import requantize
from celosia.arithmetic.rounding_search import find
from celosia.arithmetic.single_rounding import SingleRounding, reference_steps


def near_steps(
    multiplier: int, shift: int, ends: tuple[int, int], zero: int, clamp: tuple[int, int]
) -> np.ndarray:
    steps = reference_steps(multiplier, shift, *ends, zero, clamp)
    assert steps is not None
    near = (steps.at[0, :, None] + np.arange(-3, 4)).ravel()
    return np.unique(np.clip([*near, *ends, -1, 0, 1], *ends))


def check(
    multiplier: int, shift: int, ends: tuple[int, int], zero: int, clamp: tuple[int, int]
) -> SingleRounding | None:
    """What is found, compared with the reference at every step."""
    found = find(multiplier, shift, *ends, zero, clamp, 31)
    if found is None:
        return None
    xs = near_steps(multiplier, shift, ends, zero, clamp)
    wanted = requantize(xs, multiplier, shift, zero, clamp)
    np.testing.assert_array_equal(found.apply(xs[:, None])[:, 0], wanted)
    assert required_bits(found.multiplier, found.shift, found.tie)[0] <= 32
    assert np.abs(np.add.outer(ends, found.offset)).max() <= 1 << 31
    return found


def test_one_step_far_from_zero() -> None:
    """A large bias: a scale so small that the hardware's shift does not reach it."""
    found = check(1_483_508_504, -27, (1_066_620_474, 1_070_992_449), -128, (-128, 127))
    assert found is not None
    assert np.all(found.offset != 0)


@pytest.mark.parametrize("clamp", [(0, 127), (-128, 0)])
def test_halves_on_one_side(clamp: tuple[int, int]) -> None:
    """The tie of 2^-24 steps is too small for the hardware, one accumulator does the same."""
    ends = -9_149_247, 9_647_058
    assert check(1 << 30, -23, ends, 0, (-128, 127)) is None
    found = check(1 << 30, -23, ends, 0, clamp)
    assert found is not None


@pytest.mark.parametrize("seed", range(3))
def test_two_levels_always_have_constants(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        multiplier = int(rng.choice([1 << 30, (1 << 31) - 1, int(rng.integers(1 << 30, 1 << 31))]))
        shift = -int(rng.integers(0, 32))
        middle = int(rng.uniform(-1, 1) * 2 ** rng.uniform(0, 30))
        reach = int(2 ** rng.uniform(0, 30))
        zero, low = int(rng.integers(-128, 128)), int(rng.integers(-128, 127))
        ends = max(middle - reach, -(1 << 31) + 256), min(middle + reach, (1 << 31) - 256)
        assert check(multiplier, shift, ends, zero, (low, low + 1)) is not None
