# SPDX-License-Identifier: BSD-2-Clause
"""The requantizer, and what the hardware demands of its operands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.errors import CelosiaError
from celosia_hw.isa import NO_TIE

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
    return ((values + half) & ((1 << bits) - 1)) - half


def first_pass(
    v: Int64Array,
    multiplier: Int64Array,
    shift: Int64Array,
    tie: Int64Array,
    zero_point: int,
    low: int,
    high: int,
) -> Int64Array:
    """``clamp(((v*m + 2^(s-1) + tie) >> s) + zero_point)``; the constants broadcast."""
    widest = int(np.abs(v).max(initial=0)) * int(multiplier.max(initial=0))
    if widest.bit_length() > 61 or int(shift.max(initial=1)) > 62:
        # Python's integers have no width.
        wide = [np.asarray(x).astype(object) for x in (v, multiplier, shift, tie)]
        y = _rounded(wide[0] * wide[1], wide[2], wide[3], v >= 0)
        return np.clip(y + zero_point, low, high).astype(np.int64)
    y = _rounded(v * multiplier, shift, tie, v >= 0)
    return np.clip(y + zero_point, low, high)


def second_pass(
    u: Int64Array, shift: int, tie: int, zero_point: int, low: int, high: int
) -> Int64Array:
    require_bits(u, 33, "table sums")
    one = np.int64(shift), np.int64(tie)
    return np.clip(_rounded(u, *one, u >= 0) + zero_point, low, high)


def _rounded(
    product: np.ndarray, shift: np.ndarray, tie: np.ndarray, positive: np.ndarray
) -> np.ndarray:
    one = 1 if product.dtype == object else np.int64(1)
    offset = np.where(tie == NO_TIE, 0, one << np.where(tie == NO_TIE, 0, tie))
    return product + (one << shift - 1) + np.where(positive, offset, -offset) >> shift
