# SPDX-License-Identifier: BSD-2-Clause
"""Requantization with one rounding, proved equal to the reference's two.

The reference (``MultiplyByQuantizedMultiplier``) multiplies an accumulator by a 31-bit multiplier
M, rounds the doubled high half to nearest (halves up), and divides by 2^n with a second rounding
(halves away from zero). The hardware multiplies by a narrower m and rounds once::

    y = clamp(((x*m + 2^(s-1) + tie) >> s) + zero_point, low, high)
    tie = 0 if t is NO_TIE, else 2^t if x >= 0 else -2^t

with 2^t no less than the highest bit of m.

Both are monotone in x and take at most 256 values, so they are equal on a whole range of
accumulators exactly when they are equal on both sides of every point where the reference steps:
at most 255 pairs of comparisons. For given s and t each comparison bounds m from one side, which
turns the search into an intersection of intervals, so that the narrowest m is found, not guessed.

With n >= 1 the reference itself is m = M, s = 31 + n, t = 30: its first
rounding adds 2^30, the second 2^(30+n), less 2^31 where the quotient is negative. For a shift to
the left by l >= 0 there is no second rounding: m = M, s = 31 - l, no tie.

All arrays have one entry for each output channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Int64Array: TypeAlias = npt.NDArray[np.int64]

#: Value of ``SingleRounding.tie`` where nothing is added.
NO_TIE = -1

_INT32_MIN = -(1 << 31)
_INT32_MAX = (1 << 31) - 1
#: Finest shift that the search for a tabulated function starts from: outputs of up to 9 bits and
#: a sign times 2^52 fit 64 bits.
_FUNCTION_SHIFT = 52
#: Stands for a multiplier that no step bounds from above.
_UNBOUNDED = 1 << 61
#: Most bits from a tie to the shift: what the hardware's normalized multipliers can have.
_FARTHEST_TIE = 23


@dataclass(frozen=True)
class SingleRounding:
    """Constants of the hardware's requantizer, one entry for each channel.

    ``multiplier`` (m) is not negative, ``shift`` (s) is in 1..62, ``tie`` (t) is NO_TIE or in
    0..s-2, s-23 or more, with m < 2^(t+1).
    """

    multiplier: Int64Array
    shift: Int64Array
    tie: Int64Array
    zero_point: int
    clamp: tuple[int, int]

    @property
    def multiplier_bits(self) -> int:
        """Bits of the widest multiplier, or tie."""
        return int(np.max(bits_with_tie(self.multiplier, self.tie), initial=0))

    def apply(self, accumulator: Int64Array) -> Int64Array:
        """What the hardware makes of ``accumulator``, whose last axis is the channel axis or 1."""
        rounding, tie = _offsets(self.shift, self.tie)
        product = accumulator * self.multiplier
        rounded = product + rounding + np.where(accumulator >= 0, tie, -tie)
        low, high = self.clamp
        return np.asarray(np.clip((rounded >> self.shift) + self.zero_point, low, high))


@dataclass(frozen=True)
class Steps:
    """Where a monotone function of the accumulator steps, for each channel.

    ``at[c, i]`` is the least x in [acc_min, acc_max + 1] from which on the output is at least
    ``clamp[0] + 1 + i`` (acc_max + 1 if it never is), i in 0..clamp[1]-clamp[0]-1.
    """

    at: Int64Array
    acc_min: Int64Array
    acc_max: Int64Array
    zero_point: int
    clamp: tuple[int, int]


def find(
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    acc_min: npt.ArrayLike,
    acc_max: npt.ArrayLike,
    zero_point: int,
    clamp: tuple[int, int],
    multiplier_bits: int,
) -> SingleRounding | None:
    """Constants of at most ``multiplier_bits`` bits that equal the reference on a whole range.

    Each channel gets the narrowest multiplier there is, and the smallest shift that goes with it.

    Args:
        multiplier: the reference's Q31 multipliers M, 0..2^31 - 1.
        shift: its shifts, -31..30; positive ones shift left before the multiplication.
        acc_min, acc_max: the reachable accumulators, bias included, both ends included (int32).
        zero_point: of the output, -128..127.
        clamp: least and greatest output, int8.
        multiplier_bits: 1..31. With 31 the result is never None for lack of bits, but for
            shifts below -22.

    Returns:
        Constants proved equal for every accumulator of the range; None where some channel needs
        a wider multiplier or where the reference overflows int32 within the range.
    """
    steps = reference_steps(multiplier, shift, acc_min, acc_max, zero_point, clamp)
    if steps is None:
        return None
    scale, _ = _reference_form(*_columns(multiplier, shift))
    return _accept(_solve(steps, scale[:, 0], _ties(shift)), steps, multiplier_bits)


def required_multiplier_bits(
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    acc_min: npt.ArrayLike,
    acc_max: npt.ArrayLike,
    zero_point: int,
    clamp: tuple[int, int],
) -> Int64Array | None:
    """Bits of the narrowest multiplier, for each channel; arguments and None as for ``find``."""
    found = find(multiplier, shift, acc_min, acc_max, zero_point, clamp, 31)
    return None if found is None else bits_with_tie(found.multiplier, found.tie)


def find_for_steps(
    steps: Steps, exponent: npt.ArrayLike, multiplier_bits: int
) -> SingleRounding | None:
    """Constants that equal any function of the accumulator that is nearly linear.

    Args:
        steps: where the function steps.
        exponent: for each channel, e with a slope in [2^(e-1), 2^e), at most 20.
        multiplier_bits: 1..31.

    Returns:
        Constants proved equal over the ranges of ``steps``, or None where there are none.
    """
    e = np.atleast_1d(np.asarray(exponent, dtype=np.int64))
    # Fine enough for 31 bits of the slope, coarse enough for outputs shifted by it.
    scale = np.clip(31 - e, _FUNCTION_SHIFT - np.maximum(e, 0), 62)
    return _accept(_solve(steps, scale, _ties(e)), steps, multiplier_bits)


def find_for_function(
    values: npt.ArrayLike,
    acc_min: int,
    zero_point: int,
    clamp: tuple[int, int],
    multiplier_bits: int,
) -> SingleRounding | None:
    """Constants of one channel that equal a tabulated function, such as a pool's division.

    Args:
        values: outputs for acc_min, acc_min + 1, ...; they never decrease and lie within clamp.
        acc_min: least accumulator.
        zero_point: that the hardware adds.
        clamp: least and greatest output, int8.
        multiplier_bits: 1..31.

    Returns:
        Constants proved equal for every tabulated accumulator, or None where there are none.

    Raises:
        ValueError: the values decrease somewhere or leave the clamp.
    """
    outputs = np.asarray(values, dtype=np.int64)
    low, high = clamp
    if np.any(np.diff(outputs) < 0):
        raise ValueError("values must never decrease")
    if outputs.min() < low or outputs.max() > high:
        raise ValueError(f"values must lie within the clamp {clamp}")
    ends = np.array([acc_min]), np.array([acc_min + len(outputs) - 1])
    at = acc_min + np.searchsorted(outputs, np.arange(low + 1, high + 1))
    steps = Steps(at[None, :].astype(np.int64), *ends, zero_point, clamp)
    ties = [np.array([d]) for d in (NO_TIE, *range(2, _FARTHEST_TIE + 1))]
    return _accept(_solve(steps, np.array([_FUNCTION_SHIFT]), ties), steps, multiplier_bits)


def prove(candidate: SingleRounding, steps: Steps) -> npt.NDArray[np.bool_]:
    """Whether each channel of ``candidate`` equals the function that has ``steps``.

    Evaluates the hardware's formula on both sides of every step and at both ends of the range. As
    it is monotone in the accumulator (m >= 0), agreement there is agreement everywhere.
    """
    low, high = steps.clamp
    levels = np.arange(low + 1, high + 1)
    acc_min, acc_max = steps.acc_min[:, None], steps.acc_max[:, None]

    def evaluate(x: Int64Array) -> Int64Array:
        return candidate.apply(x.T).T

    reached = (steps.at > acc_max) | (evaluate(np.minimum(steps.at, acc_max)) >= levels)
    below = (steps.at <= acc_min) | (evaluate(np.maximum(steps.at - 1, acc_min)) < levels)
    legal = (candidate.multiplier >= 0) & (candidate.shift >= 1) & (candidate.shift <= 62)
    legal &= (candidate.tie == NO_TIE) | (
        (candidate.tie >= np.maximum(0, candidate.shift - _FARTHEST_TIE))
        & (candidate.tie <= candidate.shift - 2)
        & (candidate.multiplier < np.int64(2) << np.maximum(candidate.tie, 0))
    )
    same = candidate.clamp == steps.clamp and candidate.zero_point == steps.zero_point
    return np.asarray(legal & np.all(reached & below, axis=1) & same)


def reference_steps(
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    acc_min: npt.ArrayLike,
    acc_max: npt.ArrayLike,
    zero_point: int,
    clamp: tuple[int, int],
) -> Steps | None:
    """Where the reference steps (arguments as for ``find``); None if it overflows int32."""
    m, left = _columns(multiplier, shift)
    lo, hi = _columns(acc_min, acc_max)
    m, left, lo, hi = np.broadcast_arrays(m, left, lo, hi)
    scale, tie = _reference_form(m, left)

    def rounded(x: Int64Array) -> Int64Array:
        return (x * m + (1 << scale - 1) + np.where(x >= 0, tie, -tie)) >> scale

    least, greatest = rounded(lo), rounded(hi)
    doubled = np.maximum(left, 0)
    ends = np.stack([lo << doubled, hi << doubled, least + zero_point, greatest + zero_point])
    if np.any(hi < lo) or ends.min() < _INT32_MIN or ends.max() > _INT32_MAX:
        return None
    low, high = clamp
    levels = np.arange(low + 1, high + 1, dtype=np.int64)[None, :] - zero_point
    # Levels out of reach are replaced by the nearest one in question, so that the shifted levels
    # fit 64 bits: within reach |level * 2^s| is little more than |x * m| < 2^62.
    near = np.clip(levels, least, greatest + 1)
    needed = ((2 * near - 1) << scale - 1) - np.where(near >= 1, tie, -tie)
    at = np.clip(-(-needed // np.maximum(m, 1)), lo, hi + 1)
    at = np.where(levels <= least, lo, np.where(levels > greatest, hi + 1, at))
    return Steps(at, lo[:, 0].copy(), hi[:, 0].copy(), zero_point, clamp)


def _reference_form(multiplier: Int64Array, shift: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Shift s and tie 2^t (0: none) with which one rounding by M is the reference itself."""
    return 31 - shift, np.where((shift < 0) & (multiplier > 0), 1 << 30, 0)


def _columns(*arrays: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
    first, second = (np.atleast_1d(np.asarray(a, dtype=np.int64))[:, None] for a in arrays)
    return first, second


def _ties(shift: npt.ArrayLike) -> list[Int64Array]:
    """Candidates of s - t for slopes of 2^(shift-1) to 2^shift = 2^-n: none, and what the reference
    has for multipliers of 31 and of 30 bits, an offset of 1/2 to 2 accumulators."""
    n = -np.minimum(np.atleast_1d(np.asarray(shift, dtype=np.int64)), 0)
    own = (np.where((d >= 2) & (d <= _FARTHEST_TIE), d, NO_TIE) for d in (n + 1, n))
    return [np.full_like(n, NO_TIE), *own]


def _offsets(shift: Int64Array, tie: Int64Array) -> tuple[Int64Array, Int64Array]:
    return np.int64(1) << shift - 1, np.where(tie >= 0, np.int64(1) << np.maximum(tie, 0), 0)


def _solve(steps: Steps, scale: Int64Array, ties: list[Int64Array]) -> SingleRounding:
    """The narrowest multipliers over all candidates; a multiplier of -1 marks a channel without."""
    scale = np.broadcast_to(scale, steps.acc_min.shape)
    best = None
    for distance in ties:
        tie = np.where(distance == NO_TIE, NO_TIE, scale - distance)
        least, greatest = _interval(steps, scale, tie)
        greatest = np.where(tie >= 0, np.minimum(greatest, (np.int64(2) << tie) - 1), greatest)
        # It may not exist at this scale.
        least = np.where((tie < 0) & (distance != NO_TIE), greatest + 1, least)
        candidate = _narrowest(least, greatest, scale, tie)
        if best is None:
            best = candidate
            continue
        new, old = (bits_with_tie(m, t) for m, _, t in (candidate, best))
        better = (candidate[0] >= 0) & ((best[0] < 0) | (new < old))
        m, s, t = (np.where(better, b, a) for a, b in zip(best, candidate, strict=True))
        best = (m, s, t)
    assert best is not None
    return SingleRounding(*best, steps.zero_point, steps.clamp)


def _interval(steps: Steps, scale: Int64Array, tie: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Least and greatest m that agree with every step, for each channel (empty: least > greatest).

    At the step x of level k: x*m + 2^(s-1) + tie(x) >= k*2^s. Just before it the contrary.
    """
    low, high = steps.clamp
    levels = np.arange(low + 1, high + 1, dtype=np.int64)[None, :] - steps.zero_point
    lo, hi = steps.acc_min[:, None], steps.acc_max[:, None]
    # A level that is met throughout says no more than the highest such level, one never met no
    # more than the lowest such: this bounds the products below.
    reachable_low = low - steps.zero_point + np.sum(steps.at <= lo, axis=1, keepdims=True)
    reachable_high = low - steps.zero_point + np.sum(steps.at <= hi, axis=1, keepdims=True)
    levels = np.clip(levels, reachable_low, reachable_high + 1)
    # Beyond 2^62 a level bounds no product of 31 bits by 31 bits.
    limit = np.int64(1) << 62 - scale[:, None]
    levels = np.clip(levels, -limit, limit + 1)
    rounding, offset = _offsets(scale[:, None], tie[:, None])
    middle = (2 * levels - 1) * rounding

    at, before = steps.at, steps.at - 1
    floor = np.zeros_like(at)
    ceiling = np.full_like(at, _UNBOUNDED)
    # x*m >= bound on the step.
    bound = middle - np.where(at >= 0, offset, -offset)
    holds = at <= hi
    up, down = holds & (at > 0), holds & (at < 0)
    size = np.maximum(np.abs(at), 1)
    np.copyto(floor, -(-bound // size), where=up)
    np.copyto(ceiling, -bound // size, where=down)
    impossible = holds & (at == 0) & (bound > 0)
    # x*m <= bound - 1 before the step.
    bound = middle - np.where(before >= 0, offset, -offset) - 1
    holds = before >= lo
    up, down = holds & (before > 0), holds & (before < 0)
    size = np.maximum(np.abs(before), 1)
    quotient = bound // size
    np.copyto(ceiling, np.minimum(ceiling, quotient), where=up)
    np.copyto(floor, np.maximum(floor, -quotient), where=down)
    impossible |= holds & (before == 0) & (bound < 0)

    least, greatest = np.max(floor, axis=1, initial=0), np.min(ceiling, axis=1, initial=_UNBOUNDED)
    return np.where(np.any(impossible, axis=1), greatest + 1, least), greatest


def _narrowest(
    least: Int64Array, greatest: Int64Array, scale: Int64Array, tie: Int64Array
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """(m, s, t) with the fewest bits of m: the value of the interval with most trailing zeros,
    which vanish together with as much of s and t."""
    # The highest bit in which least - 1 and greatest differ is set in greatest; clearing all bits
    # below leaves the interval's only multiple of the largest power of two.
    feasible = (least <= greatest) & (greatest >= 0)
    differing = np.where(feasible & (least > 0), (least - 1) ^ greatest, 1)
    drop = bit_length(differing) - 1
    lowest = np.where(tie == NO_TIE, scale - 1, tie)
    drop = np.minimum(drop, lowest)
    multiplier = -(-least >> drop)
    constant = feasible & (multiplier == 0)
    return (
        np.where(feasible, multiplier, -1),
        np.where(constant, 1, scale - drop),
        np.where(constant | (tie == NO_TIE), NO_TIE, tie - drop),
    )


def bits_with_tie(multiplier: Int64Array, tie: Int64Array) -> Int64Array:
    """Bits that hold both a multiplier and what its tie adds."""
    return np.maximum(bit_length(np.maximum(multiplier, 0)), tie + 1)


def bit_length(values: Int64Array) -> Int64Array:
    """Bits of each value >= 0."""
    bits = np.zeros_like(values)
    rest = values.copy()
    for step in (32, 16, 8, 4, 2, 1):
        above = rest >> step > 0
        bits += np.where(above, step, 0)
        rest = np.where(above, rest >> step, rest)
    return bits + (rest > 0)


def _accept(found: SingleRounding, steps: Steps, multiplier_bits: int) -> SingleRounding | None:
    if np.any(found.multiplier < 0) or found.multiplier_bits > multiplier_bits:
        return None
    if not np.all(prove(found, steps)):
        raise AssertionError("the requantization that was found fails its own proof")
    return found
