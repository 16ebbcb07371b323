# SPDX-License-Identifier: BSD-2-Clause
"""The requantizer, and what the hardware demands of its operands."""

from __future__ import annotations

from typing import Any

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
    return np.asarray(((values + half) & ((1 << bits) - 1)) - half)


def first_pass(
    v: Int64Array,
    constants: tuple[Int64Array, Int64Array, Int64Array],
    zero_point: int,
    clamp: tuple[int, int],
) -> Int64Array:
    """``clamp(((v*m + 2^(s-1) + tie) >> s) + zero_point)``; (m, s, t) broadcast against v."""
    multiplier, shift, tie = constants
    widest = int(np.abs(v).max(initial=0)) * int(multiplier.max(initial=0))
    if widest.bit_length() <= 61 and int(shift.max(initial=1)) <= 62:
        y = _rounded(v * multiplier, shift, tie)
        return _clamp(y + zero_point, clamp)
    # Python's integers have no width.
    product = v.astype(object) * multiplier
    y = _rounded(product, shift.astype(object), tie.astype(object))
    return _clamp(y + zero_point, clamp)


def second_pass(
    u: Int64Array, shift: int, tie: int, zero_point: int, clamp: tuple[int, int]
) -> Int64Array:
    """``clamp(((u + 2^(s-1) + tie) >> s) + zero_point)`` for sums of table entries."""
    require_bits(u, 33, "table sums")
    y = _rounded(u, np.asarray(shift, dtype=np.int64), np.asarray(tie, dtype=np.int64))
    return _clamp(y + zero_point, clamp)


def _clamp(values: npt.NDArray[Any], clamp: tuple[int, int]) -> Int64Array:
    result: Int64Array = np.clip(values, *clamp).astype(np.int64)
    return result


def _rounded(
    product: npt.NDArray[Any], shift: npt.NDArray[Any], tie: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    one = 1 if product.dtype == object else np.int64(1)
    offset = np.where(tie == NO_TIE, 0, one << np.where(tie == NO_TIE, 0, tie))
    signed = np.where(product >= 0, offset, -offset)
    return np.asarray((product + (one << shift - 1) + signed) >> shift)
