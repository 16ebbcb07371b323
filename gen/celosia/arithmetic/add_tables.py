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

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.add import add_operands
from celosia.arithmetic.difference_constraints import UNBOUNDED, solve
from celosia.arithmetic.single_rounding import Int64Array
from celosia.graph.ir import Activation, Quantization

_INT32_MAX = (1 << 31) - 1
#: Shifts below the largest that the search tries.
_SHIFT_TRIES = 3
#: Slopes that it tries: steeper by 1, 2, 4, ... of the multiplier's 2^31.
_STEEPER_TRIES = 14
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
    operands = scaled_first, scaled_second
    shifts = _shifts(*operands, multiplier, shift)
    # The reference rounds twice and halves away from zero, this once and halves up. A slope that is
    # a little steeper moves what is just below a half, or at one, over it.
    for s in shifts:
        for steeper in (0, *(1 << bit for bit in range(_STEEPER_TRIES))):
            first, second = (_scale(v, multiplier + steeper, 31 - shift - s) for v in operands)
            found = _checked(wanted, first, second, s, zero_point, clamp)
            if found is not None:
                return found
    for s in shifts:
        first, second = (_scale(v, multiplier, 31 - shift - s) for v in operands)
        solution = solve(*_bounds(wanted, s, zero_point, clamp), (first, second))
        if solution is not None:
            found = _checked(wanted, *_centred(*solution), s, zero_point, clamp)
            if found is not None:
                return found
    return None


def _shifts(first: Int64Array, second: Int64Array, multiplier: int, shift: int) -> list[int]:
    """The largest s for which the scaled tables and the zero point fit 32 bits, with some steps to
    spare; some below."""
    largest = int(max(np.abs(first).max(), np.abs(second).max()))
    steps = (largest * multiplier >> 31 - shift) + _SPARE_STEPS
    s = min(_INT32_MAX // steps, 1 << 30).bit_length() - 1
    return list(range(s, max(s - _SHIFT_TRIES, 0), -1))


def _scale(values: Int64Array, multiplier: int, right: int) -> Int64Array:
    """values * multiplier / 2^right, rounded to nearest; right >= 1."""
    return (values * multiplier + (1 << right - 1)) >> right


def _checked(
    wanted: npt.NDArray[np.integer],
    first: Int64Array,
    second: Int64Array,
    shift: int,
    zero_point: int,
    clamp: tuple[int, int],
) -> SecondPass | None:
    """The tables, if they fit 32 bits and every pair of operands gives what is wanted."""
    first = first + (zero_point << shift)
    if max(np.abs(first).max(), np.abs(second).max()) > _INT32_MAX:
        return None
    candidate = SecondPass(first.astype(np.int32), second.astype(np.int32), shift, clamp)
    return candidate if np.array_equal(candidate.outputs(), wanted) else None


def _bounds(
    wanted: npt.NDArray[np.integer], shift: int, zero_point: int, clamp: tuple[int, int]
) -> tuple[Int64Array, Int64Array]:
    """Least and greatest u, zero point excluded, that gives each wanted result."""

    def least(level: Int64Array) -> Int64Array:
        return (2 * level - 1) << shift - 1

    level = wanted.astype(np.int64) - zero_point
    lower = np.where(wanted <= clamp[0], -UNBOUNDED, least(level))
    upper = np.where(wanted >= clamp[1], UNBOUNDED, least(level + 1) - 1)
    return lower, upper


def _centred(first: Int64Array, second: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The same sums with the largest magnitudes of both tables about equal."""
    excess = (int(first.max()) + int(first.min()) - int(second.max()) - int(second.min())) // 4
    return first - excess, second + excess
