# SPDX-License-Identifier: BSD-2-Clause
"""Single rounding against a scalar model of the reference's two roundings."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from celosia.arithmetic import rounding_search as rs
from celosia.arithmetic import single_rounding as sr

INT32_MAX = (1 << 31) - 1


def double_rounding(x: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier, step by step as gemmlowp defines it."""
    product = (x << max(shift, 0)) * multiplier
    nudged = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
    high = nudged >> 31 if nudged >= 0 else -(-nudged >> 31)  # C's division truncates
    right = max(-shift, 0)
    mask = (1 << right) - 1
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    return (high >> right) + (1 if high & mask > threshold else 0)


def reference(x: int, multiplier: int, shift: int, zero_point: int, clamp: tuple[int, int]) -> int:
    return min(max(double_rounding(x, multiplier, shift) + zero_point, clamp[0]), clamp[1])


def random_multiplier(rng: np.random.Generator) -> int:
    if rng.random() < 0.2:
        return int(rng.choice([1 << 30, INT32_MAX, 3 << 29, (1 << 30) + 1, 0]))
    return int(rng.integers(1 << 30, 1 << 31))


def random_clamp(rng: np.random.Generator, zero_point: int) -> tuple[int, int]:
    if rng.random() < 0.3:
        return zero_point, 127
    if rng.random() < 0.5:
        return -128, 127
    low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
    return low, high


def outputs(found: sr.SingleRounding, xs: np.ndarray, channel: int = 0) -> list[int]:
    """The hardware's formula in unbounded integers."""
    m, s, t = (int(a[channel]) for a in (found.multiplier, found.shift, found.tie))
    results = []
    for x in xs.tolist():
        tie = 0 if t == sr.NO_TIE else (1 << t if x >= 0 else -(1 << t))
        y = ((x * m + (1 << s - 1) + tie) >> s) + found.zero_point
        results.append(min(max(y, found.clamp[0]), found.clamp[1]))
    return results


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_reference_on_whole_small_ranges(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        multiplier, shift = random_multiplier(rng), int(rng.integers(-31, 12))
        low = int(rng.integers(-1500, 1000))
        xs = np.arange(low, low + int(rng.integers(1, 700)))
        zero_point = int(rng.integers(-128, 128))
        clamp = random_clamp(rng, zero_point)
        found = rs.find(multiplier, shift, xs[0], xs[-1], zero_point, clamp, 31)
        assert found is not None
        wanted = [reference(x, multiplier, shift, zero_point, clamp) for x in xs.tolist()]
        assert outputs(found, xs) == wanted
        assert found.apply(xs[:, None])[:, 0].tolist() == wanted


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_reference_around_its_steps_on_large_ranges(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    for _ in range(25):
        multiplier, shift = random_multiplier(rng), -int(rng.integers(0, 23))
        reach = 1 << int(rng.integers(12, 32))
        low, high = -int(rng.integers(1, reach)), int(rng.integers(1, reach))
        zero_point = int(rng.integers(-128, 128))
        if shift == 0:  # the sum with the zero point must not leave int32
            low, high = max(low, -(1 << 30)), min(high, 1 << 30)
        found = rs.find(multiplier, shift, low, high, zero_point, (-128, 127), 31)
        steps = sr.reference_steps(multiplier, shift, low, high, zero_point, (-128, 127))
        assert found is not None
        assert steps is not None
        near = (steps.at[0, :, None] + np.arange(-2, 3)).ravel()
        xs = np.concatenate([near, rng.integers(low, high, 300), [low, high, 0, -1, 1]])
        xs = xs[(xs >= low) & (xs <= high)]
        wanted = [reference(x, multiplier, shift, zero_point, (-128, 127)) for x in xs.tolist()]
        assert outputs(found, xs) == wanted


@pytest.mark.parametrize(
    ("shift", "expected"), [(-31, (62, 30)), (-1, (32, 30)), (0, (31, None)), (3, (28, None))]
)
def test_wide_form_is_the_reference_itself(shift: int, expected: tuple[int, int | None]) -> None:
    s, t = expected
    rng = np.random.default_rng(7)
    ties = [(1 << 30) * k for k in (-3, -1, 1, 3)] if shift == -31 else list(range(-300, 300))
    for multiplier in (1 << 30, 3 << 29, INT32_MAX, random_multiplier(rng)):
        for x in [*ties, *rng.integers(-(1 << 26), 1 << 26, 200).tolist()]:
            tie = 0 if t is None else (1 << t if x >= 0 else -(1 << t))
            single = (x * multiplier + (1 << s - 1) + tie) >> s
            assert single == double_rounding(x, multiplier, shift)


def test_steps_are_those_of_the_reference() -> None:
    rng = np.random.default_rng(11)
    for _ in range(60):
        multiplier, shift = random_multiplier(rng), int(rng.integers(-9, 3))
        zero_point = int(rng.integers(-128, 128))
        clamp = random_clamp(rng, zero_point)
        low, high = sorted(rng.integers(-1200, 1200, 2).tolist())
        steps = sr.reference_steps(multiplier, shift, low, high, zero_point, clamp)
        assert steps is not None
        ys = [reference(x, multiplier, shift, zero_point, clamp) for x in range(low, high + 1)]
        wanted = [low + sum(y < level for y in ys) for level in range(clamp[0] + 1, clamp[1] + 1)]
        assert steps.at[0].tolist() == wanted


def test_no_narrower_multiplier_exists() -> None:
    rng = np.random.default_rng(3)
    checked = 0
    while checked < 8:
        multiplier, shift = random_multiplier(rng), -int(rng.integers(3, 8))
        found = rs.find(multiplier, shift, -900, 800, 3, (-128, 127), 31)
        assert found is not None
        steps = sr.reference_steps(multiplier, shift, -900, 800, 3, (-128, 127))
        assert steps is not None
        bits = found.multiplier_bits
        if not 2 <= bits <= 8:
            continue
        checked += 1
        # Every multiplier that is one bit narrower, with the same offsets as were searched.
        n = -shift
        for s in range(1, 31 + n):
            for t in (sr.NO_TIE, s - n - 1, s - max(n, 2)):
                if not sr.NO_TIE <= t <= min(s - 2, bits - 2):
                    continue
                ms = np.arange(1 << bits - 1)
                full = np.full_like(ms, s), np.full_like(ms, t)
                candidate = sr.SingleRounding(ms, *full, 3, (-128, 127))
                many = sr.Steps(
                    np.repeat(steps.at, len(ms), axis=0),
                    np.full_like(ms, -900),
                    np.full_like(ms, 800),
                    3,
                    (-128, 127),
                )
                assert not sr.prove(candidate, many).any()


def test_proof_rejects_every_change_that_changes_an_output() -> None:
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(40):
        multiplier, shift = random_multiplier(rng), -int(rng.integers(2, 8))
        zero_point = int(rng.integers(-128, 128))
        clamp = random_clamp(rng, zero_point)
        found = rs.find(multiplier, shift, -4000, 3500, zero_point, clamp, 31)
        steps = sr.reference_steps(multiplier, shift, -4000, 3500, zero_point, clamp)
        assert found is not None
        assert steps is not None
        assert sr.prove(found, steps).all()
        xs = np.arange(-4000, 3501)
        wanted = outputs(found, xs)
        changes = [
            replace(found, multiplier=np.maximum(found.multiplier + 1, 0)),
            replace(found, multiplier=np.maximum(found.multiplier - 1, 0)),
            replace(found, shift=found.shift + 1),
            replace(found, tie=np.where(found.tie < 1, found.shift - 2, found.tie - 1)),
        ]
        for changed in changes:
            if changed.tie[0] < sr.NO_TIE:
                continue
            proved = bool(sr.prove(changed, steps)[0])
            assert proved == (outputs(changed, xs) == wanted)
            rejected += not proved
    assert rejected > 50


def test_proof_rejects_other_zero_points_and_clamps() -> None:
    arguments = ([1 << 30], [-5], [-4000], [4000], 4, (-100, 127))
    found, steps = rs.find(*arguments, 31), sr.reference_steps(*arguments)
    assert found is not None
    assert steps is not None
    assert not sr.prove(replace(found, zero_point=5), steps).any()
    assert not sr.prove(replace(found, clamp=(-128, 127)), steps).any()


def test_limits_the_multiplier() -> None:
    rng = np.random.default_rng(9)
    channels = 64
    multiplier = rng.integers(1 << 30, 1 << 31, channels)
    arguments = (multiplier, -9, -(1 << 18), 1 << 18, -3, (-128, 127))
    needed = rs.required_multiplier_bits(*arguments)
    assert needed is not None
    assert needed.shape == (channels,)
    widest = int(needed.max())
    assert rs.find(*arguments, widest - 1) is None
    found = rs.find(*arguments, widest)
    assert found is not None
    assert found.multiplier_bits == widest


@pytest.mark.parametrize(
    ("low", "high", "clamp", "zero_point"),
    [
        (17, 17, (-128, 127), 5),  # a single accumulator
        (0, 0, (-128, 127), 127),
        (1 << 28, 1 << 29, (-128, 127), 0),  # saturated above
        (-(1 << 29), -(1 << 28), (-128, 127), 0),  # saturated below
        (-500, 500, (7, 7), 0),  # the clamp leaves one value
        (-500, -1, (30, 127), 30),  # below ReLU's zero
        (-5, 5, (106, 127), -41),  # too small to leave the zero point, which the clamp forbids
    ],
)
def test_constant_channels(low: int, high: int, clamp: tuple[int, int], zero_point: int) -> None:
    for shift in (-31, -20, -4, 0):
        found = rs.find(1_500_000_001, shift, low, high, zero_point, clamp, 31)
        assert found is not None
        xs = np.array([low, (low + high) // 2, high])
        wanted = [reference(x, 1_500_000_001, shift, zero_point, clamp) for x in xs.tolist()]
        assert outputs(found, xs) == wanted


def test_refuses_what_overflows_in_the_reference() -> None:
    assert rs.find(1 << 30, 4, 0, 1 << 27, 0, (-128, 127), 31) is None
    assert rs.find(1 << 30, 4, 0, (1 << 27) - 1, 0, (-128, 127), 31) is not None
    assert rs.find(INT32_MAX, 0, 0, INT32_MAX, 127, (-128, 127), 31) is None
    assert rs.find(1 << 30, -4, 5, 4, 0, (-128, 127), 31) is None


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 9, 49, 64, 125, 4096])
def test_average_pool_division(count: int) -> None:
    xs = np.arange(-128 * count, 127 * count + 1)
    values = np.where(xs >= 0, (xs + count // 2) // count, -((-xs + count // 2) // count))
    found = rs.find_for_function(values, int(xs[0]), 0, (-128, 127), 31)
    assert found is not None
    assert found.multiplier_bits <= 24
    assert found.apply(xs[:, None])[:, 0].tolist() == values.tolist()


def test_function_must_be_monotone_within_the_clamp() -> None:
    with pytest.raises(ValueError, match="never decrease"):
        rs.find_for_function([0, 1, 0], 0, 0, (-128, 127), 31)
    with pytest.raises(ValueError, match="within the clamp"):
        rs.find_for_function([0, 1, 2], 0, 0, (-128, 1), 31)


def test_function_without_a_linear_form() -> None:
    assert rs.find_for_function([0, 0, 0, 9, 10, 60, 61], -3, 0, (-128, 127), 31) is None


def test_thousands_of_channels_are_found_at_once() -> None:
    rng = np.random.default_rng(1)
    channels = 6000
    multiplier = rng.integers(1 << 30, 1 << 31, channels)
    shift = -rng.integers(4, 12, channels)
    low, high = -rng.integers(1 << 16, 1 << 20, channels), rng.integers(1 << 16, 1 << 20, channels)

    def find(part: slice) -> tuple[sr.SingleRounding | None, float]:
        """With the processor's seconds that it took."""
        start = time.process_time()
        found = rs.find(multiplier[part], shift[part], low[part], high[part], -128, (-128, 127), 31)
        return found, time.process_time() - start

    found, seconds = find(slice(channels))
    single = [find(slice(channel, channel + 1))[1] for channel in range(100)]
    # One by one takes about ten times as long.
    assert seconds < channels * sum(single) / len(single) / 3
    assert found is not None
    xs = rng.integers(low, high + 1, (20, channels))
    got = found.apply(xs)
    for row, channel in zip(*np.nonzero(rng.random(xs.shape) < 0.02), strict=True):
        m, n = int(multiplier[channel]), int(shift[channel])
        assert got[row, channel] == reference(int(xs[row, channel]), m, n, -128, (-128, 127))
