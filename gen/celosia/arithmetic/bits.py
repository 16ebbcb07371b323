# SPDX-License-Identifier: BSD-2-Clause
"""Bits of multipliers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
#: The hardware's largest shift less the bits of its multiplier.
_FARTHEST_SHIFT = 22


def bits_with_tie(multiplier: Int64Array, tie: Int64Array) -> Int64Array:
    """Bits that hold both a multiplier and what its tie adds."""
    return np.maximum(bit_length(np.maximum(multiplier, 0)), tie + 1)


def required_bits(multiplier: Int64Array, shift: Int64Array, tie: Int64Array) -> Int64Array:
    """Bits that the hardware's multiplier needs: those of m or its tie, and above them as many as
    the shift is beyond the largest that the hardware has for a multiplier of full width."""
    bits = bits_with_tie(multiplier, tie)
    lacking = np.maximum(shift - bits - _FARTHEST_SHIFT, 0)
    return np.where(bits > 0, bits + lacking, 0)


def bit_length(values: Int64Array) -> Int64Array:
    """Bits of each value >= 0."""
    bits = np.zeros_like(values)
    rest = values.copy()
    for step in (32, 16, 8, 4, 2, 1):
        above = rest >> step > 0
        bits += np.where(above, step, 0)
        rest = np.where(above, rest >> step, rest)
    return bits + (rest > 0)
