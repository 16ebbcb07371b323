# SPDX-License-Identifier: BSD-2-Clause
"""Requantization with one rounding, proved equal to the reference's two.

The reference (``MultiplyByQuantizedMultiplier``) multiplies an accumulator by a 31-bit multiplier
M, rounds the doubled high half to nearest (halves up), and divides by 2^n with a second rounding
(halves away from zero). The hardware multiplies by a narrower m and rounds once::

    y = clamp(((x*m + 2^(s-1) + tie) >> s) + zero_point, low, high)
    tie = 0 if t is NO_TIE, else 2^t if x >= 0 else -2^t

with 2^t no less than the highest bit of m. Where no such constants exist, an integer is added to x
first, which costs nothing, as the bias takes it.

Both are monotone in x and take at most 256 values, so they are equal on a whole range of
accumulators exactly when they are equal on both sides of every point where the reference steps:
at most 255 pairs of comparisons.

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

from celosia.arithmetic.bits import bits_with_tie

Int64Array: TypeAlias = npt.NDArray[np.int64]

#: Value of ``SingleRounding.tie`` where nothing is added.
NO_TIE = -1

_INT32_MIN = -(1 << 31)
_INT32_MAX = (1 << 31) - 1
#: Most bits from a tie to the shift: what the hardware's normalized multipliers can have.
FARTHEST_TIE = 23


@dataclass(frozen=True)
class SingleRounding:
    """Constants of the hardware's requantizer, one entry for each channel.

    ``multiplier`` (m) is not negative, ``shift`` (s) is in 1..62, ``tie`` (t) is NO_TIE or in
    0..s-2, s-23 or more, with m < 2^(t+1). ``offset`` is added to the accumulator before all else.
    """

    multiplier: Int64Array
    shift: Int64Array
    tie: Int64Array
    zero_point: int
    clamp: tuple[int, int]
    offset: Int64Array | int = 0

    @property
    def multiplier_bits(self) -> int:
        """Bits of the widest multiplier, or tie."""
        return int(np.max(bits_with_tie(self.multiplier, self.tie), initial=0))

    def apply(self, accumulator: Int64Array) -> Int64Array:
        """What the hardware makes of ``accumulator``, whose last axis is the channel axis or 1."""
        rounding, tie = addends(self.shift, self.tie)
        accumulator = accumulator + self.offset
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
        (candidate.tie >= np.maximum(0, candidate.shift - FARTHEST_TIE))
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
    m, left = columns(multiplier, shift)
    lo, hi = columns(acc_min, acc_max)
    m, left, lo, hi = np.broadcast_arrays(m, left, lo, hi)
    scale, tie = reference_form(m, left)

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


def reference_form(multiplier: Int64Array, shift: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Shift s and tie 2^t (0: none) with which one rounding by M is the reference itself."""
    return 31 - shift, np.where((shift < 0) & (multiplier > 0), 1 << 30, 0)


def columns(*arrays: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
    """Two arrays of shape (channels, 1)."""
    first, second = (np.atleast_1d(np.asarray(a, dtype=np.int64))[:, None] for a in arrays)
    return first, second


def addends(shift: Int64Array, tie: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Half a step, and what a tie adds to it where the accumulator is not negative."""
    return np.int64(1) << shift - 1, np.where(tie >= 0, np.int64(1) << np.maximum(tie, 0), 0)
