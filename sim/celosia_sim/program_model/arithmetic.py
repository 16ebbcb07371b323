# SPDX-License-Identifier: BSD-2-Clause
"""The requantizer, and what the hardware demands of its operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from celosia.errors import CelosiaError

Int64Array = npt.NDArray[np.int64]


class ProgramError(CelosiaError):
    """A program does what the architecture forbids or leaves undefined."""


def require_bits(values: Int64Array, bits: int, what: str) -> None:
    """Raises ProgramError unless all values are two's complement numbers of ``bits`` bits."""
    half = 1 << bits - 1
    if values.size and (values.min() < -half or values.max() >= half):
        raise ProgramError(
            f"{what} from {values.min()} to {values.max()} do not fit into {bits} bits"
        )


def wrap(values: Int64Array, bits: int) -> Int64Array:
    """Two's complement of the low ``bits`` bits."""
    half = 1 << bits - 1
    return np.asarray(((values + half) & ((1 << bits) - 1)) - half)


def first_pass(
    v: Int64Array,
    constants: tuple[Int64Array, Int64Array, Int64Array],
    zero_point: int,
    clamp: tuple[int, int],
) -> Int64Array:
    """``clamp(((v*m + 2^(s-1) + t) >> s) + zero_point)`` with t negated where v is negative;
    (m, s, t) broadcast against v."""
    multiplier, shift, tie = constants
    widest = int(np.abs(v).max(initial=0)) * int(multiplier.max(initial=0))
    if widest.bit_length() <= 61 and int(shift.max(initial=1)) <= 62:
        product = v * multiplier + np.where(v >= 0, tie, -tie)
        return _clamp(_rounded(product, shift) + zero_point, clamp)
    # Python's integers have no width.
    product = v.astype(object) * multiplier + np.where(v >= 0, tie, -tie)
    return _clamp(_rounded(product, shift.astype(object)) + zero_point, clamp)


def second_pass(u: Int64Array, shift: int, clamp: tuple[int, int]) -> Int64Array:
    """``clamp((u + 2^(s-1)) >> s)`` for sums of table entries."""
    return _clamp(_rounded(u, np.asarray(shift, dtype=np.int64)), clamp)


def _clamp(values: npt.NDArray[Any], clamp: tuple[int, int]) -> Int64Array:
    result: Int64Array = np.clip(values, *clamp).astype(np.int64)
    return result


def _rounded(product: npt.NDArray[Any], shift: npt.NDArray[Any]) -> npt.NDArray[Any]:
    one = 1 if product.dtype == object else np.int64(1)
    return np.asarray((product + (one << shift - 1)) >> shift)
