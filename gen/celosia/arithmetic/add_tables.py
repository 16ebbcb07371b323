# SPDX-License-Identifier: BSD-2-Clause
"""Tables for the hardware's second pass: additions and functions of one int8.

The second pass turns an int8 y, and for an addition another int8 x, into::

    z = clamp((T1[y + 128] + T2[x + 128] + 2^(s-1)) >> s, low, high)

T1 and T2 hold 256 signed 32-bit numbers each. T1 includes the zero point of z; for a function of y
alone T2 is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.add import AddOperands, add_operands
from celosia.arithmetic.difference_constraints import UNBOUNDED, solve
from celosia.arithmetic.single_rounding import Int64Array
from celosia.graph.ir import Quantization

_INT32_MAX = (1 << 31) - 1
#: Steps that the tables hold besides the operands: those of a zero point, and one of the search.
_SPARE_STEPS = 130


@dataclass(frozen=True)
class SecondPass:
    """Tables and constants of the second pass.

    ``shift`` (s) is in 1..32; outputs lie within ``clamp``.
    """

    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]
    shift: int
    clamp: tuple[int, int]

    def outputs(self) -> Int64Array:
        """All results: [y + 128, x + 128]."""
        u = self.first.astype(np.int64)[:, None] + self.second.astype(np.int64)
        return np.asarray(np.clip((u + (1 << self.shift - 1)) >> self.shift, *self.clamp))

    def behind(self, values: npt.ArrayLike) -> SecondPass:
        """The same after a function of y, whose results for -128..127 are ``values``."""
        return replace(self, first=self.first[np.asarray(values) + 128])


def function_tables(values: Sequence[int]) -> SecondPass:
    """A function of one int8: ``values`` has the 256 results for -128..127."""
    first = np.asarray(values, dtype=np.int32) << 1
    return SecondPass(first, np.zeros_like(first), 1, (-128, 127))


@lru_cache(maxsize=256)
def add_tables(
    first: Quantization,
    second: Quantization,
    output: Quantization,
    clamp: tuple[int, int],
) -> SecondPass | None:
    """ADD of y (quantized by ``first``) and x (by ``second``), proved for all 65,536 pairs.

    Which of the two is ADD's first operand makes no difference to the reference.

    Args:
        first, second, output: quantizations of the operands and of the sum.
        clamp: least and greatest sum. Fewer levels need less of the tables: where there are none
            for the range of an activation, there are for parts of it, and always for a part of two
            levels.

    Returns:
        Tables T1 for y and T2 for x, or None if no tables of 32 bits give the reference's
        results; then the addition cannot be done in one second pass.

    Raises:
        ModelError: the reference does not define this addition (see ``add_operands``).
    """
    add = replace(add_operands(first, second, output), clamp=clamp)
    return find_tables(add.outputs(), add)


def find_tables(wanted: npt.NDArray[np.integer], add: AddOperands) -> SecondPass | None:
    """Tables whose results equal the reference's for all 65,536 pairs of operands.

    Args:
        wanted: the reference's results, [y + 128, x + 128].
        add: its arithmetic.

    Returns:
        Tables compared with ``wanted`` entry by entry, or None if there are none.
    """
    # The reference rounds twice and halves away from zero, this once and halves up: where halves
    # occur, the tables must move them over the step or below it. Tables for a shift, doubled, are
    # tables for the next one, so that the largest decides, unless they leave 32 bits there.
    largest = _largest_shift(add)
    for shift in (largest, largest - 1):
        right = 31 - add.shift - shift
        first, second = (_scale(v, add.multiplier, right) for v in (add.first, add.second))
        first += add.zero_point << shift
        solution = solve(*_bounds(wanted, shift, add.clamp), (first, second))
        if solution is None:
            return None
        found = _checked(wanted, *_centred(*solution), shift, add.clamp)
        if found is not None:
            return found
    return None


def _largest_shift(add: AddOperands) -> int:
    """The largest s for which the scaled tables and the zero point fit 32 bits, with some steps to
    spare."""
    largest = int(max(np.abs(add.first).max(), np.abs(add.second).max()))
    steps = (largest * add.multiplier >> 31 - add.shift) + _SPARE_STEPS
    return (_INT32_MAX // steps).bit_length() - 1


def _scale(values: Int64Array, multiplier: int, right: int) -> Int64Array:
    """values * multiplier / 2^right, rounded to nearest; right >= 1."""
    return (values * multiplier + (1 << right - 1)) >> right


def _checked(
    wanted: npt.NDArray[np.integer],
    first: Int64Array,
    second: Int64Array,
    shift: int,
    clamp: tuple[int, int],
) -> SecondPass | None:
    """The tables, if they fit 32 bits and every pair of operands gives what is wanted."""
    if max(np.abs(first).max(), np.abs(second).max()) > _INT32_MAX:
        return None
    candidate = SecondPass(first.astype(np.int32), second.astype(np.int32), shift, clamp)
    if not np.array_equal(candidate.outputs(), wanted):
        raise AssertionError("the tables that were found fail their own proof")
    return candidate


def _bounds(
    wanted: npt.NDArray[np.integer], shift: int, clamp: tuple[int, int]
) -> tuple[Int64Array, Int64Array]:
    """Least and greatest sum of two entries that gives each wanted result."""

    def least(level: Int64Array) -> Int64Array:
        return (2 * level - 1) << shift - 1

    level = wanted.astype(np.int64)
    lower = np.where(level <= clamp[0], -UNBOUNDED, least(level))
    upper = np.where(level >= clamp[1], UNBOUNDED, least(level + 1) - 1)
    return lower, upper


def _centred(first: Int64Array, second: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The same sums with the largest magnitude of both tables as small as it can be."""
    middles = [(int(v.max()) + int(v.min())) // 2 for v in (first, second)]
    widths = [(int(v.max()) - int(v.min())) // 2 for v in (first, second)]
    both = sum(middles)
    # What the middles of both add up to, divided such that the magnitudes are equal, if possible.
    share = min(max((abs(both) + widths[1] - widths[0]) // 2, 0), abs(both))
    moved = (share if both >= 0 else -share) - middles[0]
    return first + moved, second - moved
