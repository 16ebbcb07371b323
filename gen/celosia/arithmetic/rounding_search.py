# SPDX-License-Identifier: BSD-2-Clause
"""Finds the constants of a requantization with one rounding: see ``single_rounding``.

For a given shift and tie each comparison at a step bounds the multiplier from one side, which turns
the search into an intersection of intervals, so that the narrowest multiplier is found, not
guessed. All arrays have one entry for each output channel.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.bits import bit_length, bits_with_tie, required_bits
from celosia.arithmetic.single_rounding import (
    FARTHEST_TIE,
    NO_TIE,
    Int64Array,
    SingleRounding,
    Steps,
    addends,
    columns,
    prove,
    reference_form,
    reference_steps,
)

_INT32_MIN = -(1 << 31)
_INT32_MAX = (1 << 31) - 1
#: Finest shift that the search for a tabulated function starts from: outputs of up to 9 bits and
#: a sign times 2^52 fit 64 bits.
_FUNCTION_SHIFT = 52
#: Stands for a multiplier that no step bounds from above.
_UNBOUNDED = 1 << 61
#: Most bits of the hardware's multiplier.
_HARDWARE_BITS = 32


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
    scale, _ = reference_form(*columns(multiplier, shift))
    return _search(steps, scale[:, 0], _ties(shift), multiplier_bits)


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
    return _search(steps, scale, _ties(e), multiplier_bits)


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
    ties = [np.array([d]) for d in (NO_TIE, *range(2, FARTHEST_TIE + 1))]
    return _search(steps, np.array([_FUNCTION_SHIFT]), ties, multiplier_bits)


def _ties(shift: npt.ArrayLike) -> list[Int64Array]:
    """Candidates of s - t for slopes of 2^(shift-1) to 2^shift = 2^-n: none, and what the reference
    has for multipliers of 31 and of 30 bits, an offset of 1/2 to 2 accumulators."""
    n = -np.minimum(np.atleast_1d(np.asarray(shift, dtype=np.int64)), 0)
    own = (np.where((d >= 2) & (d <= FARTHEST_TIE), d, NO_TIE) for d in (n + 1, n))
    return [np.full_like(n, NO_TIE), *own]


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
    rounding, offset = addends(scale[:, None], tie[:, None])
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


def _search(
    steps: Steps, scale: Int64Array, ties: list[Int64Array], multiplier_bits: int
) -> SingleRounding | None:
    """Proved constants; those without an offset where they fit ``multiplier_bits`` and the shifts
    of the hardware, else the first that do."""
    scale = np.broadcast_to(scale, steps.acc_min.shape)
    ties = [np.broadcast_to(tie, scale.shape) for tie in ties]
    found = _solve(steps, scale, ties)
    missing = np.flatnonzero(~_fits(found, multiplier_bits))
    if len(missing):
        few = Steps(
            steps.at[missing],
            steps.acc_min[missing],
            steps.acc_max[missing],
            steps.zero_point,
            steps.clamp,
        )
        better = _with_offset(few, scale[missing], [t[missing] for t in ties], multiplier_bits)
        if better is None:
            return None
        found = replace(found, offset=np.zeros_like(scale))
        for name in ("multiplier", "shift", "tie", "offset"):
            getattr(found, name)[missing] = getattr(better, name)
    if not np.all(prove(found, steps)):
        raise AssertionError("the requantization that was found fails its own proof")
    return found


def _fits(found: SingleRounding, multiplier_bits: int) -> npt.NDArray[np.bool_]:
    """For which channels there are constants, of no more bits than allowed."""
    constants = found.multiplier, found.shift, found.tie
    narrow = bits_with_tie(found.multiplier, found.tie) <= multiplier_bits
    return np.asarray(
        (found.multiplier >= 0) & narrow & (required_bits(*constants) <= _HARDWARE_BITS)
    )


def _with_offset(
    steps: Steps, scale: Int64Array, ties: list[Int64Array], multiplier_bits: int
) -> SingleRounding | None:
    """Constants with an offset, or None where a channel has none of those that are tried."""

    def moved(by: int) -> SingleRounding:
        ends = steps.acc_min + by, steps.acc_max + by
        shifted = Steps(steps.at + by, *ends, steps.zero_point, steps.clamp)
        return replace(_solve(shifted, scale, ties), offset=np.full_like(scale, by))

    chosen, done = None, np.zeros(len(scale), dtype=np.bool_)
    # One accumulator more or less is what a tie adds that is too small for the hardware.
    for candidate in (_of_one_step(steps), moved(1), moved(-1)):
        good = _fits(candidate, multiplier_bits) & prove(candidate, steps)
        chosen = chosen or candidate
        for name in ("multiplier", "shift", "tie", "offset"):
            np.copyto(getattr(chosen, name), getattr(candidate, name), where=good & ~done)
        done |= good
    return chosen if np.all(done) else None


def _of_one_step(steps: Steps) -> SingleRounding:
    """For channels that step once within their range: an offset that moves the step to where one of
    (x + 2^j) >> (j + 1) is, j such that there is no other within the range, or no other matters."""
    low, high = steps.clamp
    lo, hi = steps.acc_min, steps.acc_max
    within = (steps.at > lo[:, None]) & (steps.at <= hi[:, None])
    index = within.argmax(axis=1)
    at = steps.at[np.arange(len(lo)), index]
    level = low + 1 + index - steps.zero_point
    reach = np.maximum(at - lo, hi - at + 1)
    j = np.zeros_like(at) if high - low == 1 else np.maximum(bit_length(reach - 1) - 1, 0)
    offset = ((2 * level - 1) << j) - at
    fits = (lo + offset >= _INT32_MIN) & (hi + offset <= _INT32_MAX)
    good = fits & (within.sum(axis=1) == 1)
    tie = np.full_like(at, NO_TIE)
    return SingleRounding(np.where(good, 1, -1), j + 1, tie, steps.zero_point, steps.clamp, offset)
