# SPDX-License-Identifier: BSD-2-Clause
"""Tables for the hardware's second pass: additions and functions of one int8.

The second pass turns an int8 y, and for an addition another int8 x, into::

    u = T1[y + 128] + (T2[x + 128] if there is a T2 else 0)
    z = clamp(((u + 2^(s-1) + tie) >> s) + zero_point, low, high)
    tie = 0 if t is NO_TIE, else 2^t if u >= 0 else -2^t

T1 and T2 hold 256 signed 32-bit numbers each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.add import add_operands
from celosia.arithmetic.difference_constraints import UNBOUNDED, solve
from celosia.arithmetic.single_rounding import NO_TIE, Int64Array
from celosia.graph.ir import Activation, Quantization

_INT32_MAX = (1 << 31) - 1
#: Shifts below the largest that the search tries.
_SHIFT_TRIES = 3


@dataclass(frozen=True)
class SecondPass:
    """Tables and constants of the second pass; ``second`` is None for a function of y alone.

    ``shift`` (s) is in 1..30, ``tie`` (t) in 0..s-2 or NO_TIE; outputs lie within ``clamp``.
    """

    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32] | None
    shift: int
    tie: int
    zero_point: int
    clamp: tuple[int, int]

    def outputs(self) -> Int64Array:
        """All results: [y + 128, x + 128], or [y + 128] where there is no T2."""
        u = self.first.astype(np.int64)
        if self.second is not None:
            u = u[:, None] + self.second.astype(np.int64)
        return _round(u, self.shift, self.tie, self.zero_point, self.clamp)


def function_tables(values: Sequence[int]) -> SecondPass:
    """A function of one int8: ``values`` has the 256 results for -128..127."""
    table = np.asarray(values, dtype=np.int32) << 1
    return SecondPass(table, None, 1, NO_TIE, 0, (-128, 127))


def add_tables(
    first: Quantization,
    second: Quantization,
    output: Quantization,
    activation: Activation = Activation.NONE,
) -> SecondPass | None:
    """ADD of y (quantized by ``first``) and x (by ``second``), proved for all 65,536 pairs.

    Which of the two is ADD's first operand makes no difference to the reference.

    Returns:
        Tables T1 for y and T2 for x, or None if no tables of 32 bits give the reference's
        results; then the addition cannot be done in one second pass.

    Raises:
        ModelError: the reference does not define this addition (see ``add_operands``).
    """
    add = add_operands(first, second, output, activation)
    constants = add.multiplier, add.shift, add.zero_point, add.clamp
    return find_tables(add.outputs(), add.first, add.second, *constants)


def find_tables(
    wanted: npt.NDArray[np.integer],
    scaled_first: Int64Array,
    scaled_second: Int64Array,
    multiplier: int,
    shift: int,
    zero_point: int,
    clamp: tuple[int, int],
) -> SecondPass | None:
    """Tables whose results equal the reference's for all 65,536 pairs of operands.

    Args:
        wanted: the reference's results, [y + 128, x + 128].
        scaled_first, scaled_second: its operands after rescaling, before they are summed.
        multiplier, shift: its Q31 multiplier and shift (negative: to the right) of the sum.
        zero_point, clamp: of the output.

    Returns:
        Tables compared with ``wanted`` entry by entry, or None if none were found.
    """
    for s in _shifts(scaled_first, scaled_second, multiplier, shift):
        scaled = [_scale(v, multiplier, 31 - shift - s) for v in (scaled_first, scaled_second)]
        # The sum's first rounding adds half of its unit, which weighs 2^shift steps; the second
        # rounds halves away from zero. In one rounding this is a tie of that weight.
        for t in (s - 1 + shift, NO_TIE):
            if (0 <= t <= s - 2 and shift < 0) or t == NO_TIE:
                found = _checked(wanted, scaled[0], scaled[1], s, t, zero_point, clamp)
                if found is not None:
                    return found
    for s in _shifts(scaled_first, scaled_second, multiplier, shift):
        scaled = [_scale(v, multiplier, 31 - shift - s) for v in (scaled_first, scaled_second)]
        for t in range(NO_TIE, s - 1):
            lower, upper = _bounds(wanted, s, t, zero_point, clamp)
            solution = solve(lower, upper, (scaled[0], scaled[1]))
            if solution is not None:
                found = _checked(wanted, *_centred(*solution), s, t, zero_point, clamp)
                if found is not None:
                    return found
    return None


def _shifts(first: Int64Array, second: Int64Array, multiplier: int, shift: int) -> Iterator[int]:
    """The largest s for which the scaled tables fit 32 bits, with one step to spare; some below."""
    largest = int(max(np.abs(first).max(), np.abs(second).max()))
    steps = (largest * multiplier >> 31 - shift) + 2
    s = min(_INT32_MAX // steps, 1 << 30).bit_length() - 1
    return iter(range(s, max(s - _SHIFT_TRIES, 0), -1))


def _scale(values: Int64Array, multiplier: int, right: int) -> Int64Array:
    """values * multiplier / 2^right, rounded to nearest; right >= 1."""
    return (values * multiplier + (1 << right - 1)) >> right


def _round(
    u: Int64Array, shift: int, tie: int, zero_point: int, clamp: tuple[int, int]
) -> Int64Array:
    offset = 0 if tie == NO_TIE else 1 << tie
    rounded = (u + (1 << shift - 1) + np.where(u >= 0, offset, -offset)) >> shift
    return np.asarray(np.clip(rounded + zero_point, *clamp))


def _checked(
    wanted: npt.NDArray[np.integer],
    first: Int64Array,
    second: Int64Array,
    shift: int,
    tie: int,
    zero_point: int,
    clamp: tuple[int, int],
) -> SecondPass | None:
    """The tables, if they fit 32 bits and every pair of operands gives what is wanted."""
    if max(np.abs(first).max(), np.abs(second).max()) > _INT32_MAX:
        return None
    tables = first.astype(np.int32), second.astype(np.int32)
    candidate = SecondPass(*tables, shift, tie, zero_point, clamp)
    return candidate if np.array_equal(candidate.outputs(), wanted) else None


def _bounds(
    wanted: npt.NDArray[np.integer], shift: int, tie: int, zero_point: int, clamp: tuple[int, int]
) -> tuple[Int64Array, Int64Array]:
    """Least and greatest u that gives each wanted result."""
    offset = 0 if tie == NO_TIE else 1 << tie

    def least(level: Int64Array) -> Int64Array:
        # The least u that rounds to at least ``level`` is positive for levels from 1 on.
        middle = (2 * level - 1) << shift - 1
        return middle - np.where(level >= 1, offset, -offset)

    level = wanted.astype(np.int64) - zero_point
    lower = np.where(wanted <= clamp[0], -UNBOUNDED, least(level))
    upper = np.where(wanted >= clamp[1], UNBOUNDED, least(level + 1) - 1)
    return lower, upper


def _centred(first: Int64Array, second: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The same sums with the largest magnitudes of both tables about equal."""
    excess = (int(first.max()) + int(first.min()) - int(second.max()) - int(second.min())) // 4
    return first - excess, second + excess
