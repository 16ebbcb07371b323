# SPDX-License-Identifier: BSD-2-Clause
"""Parameter entries of operations: biases and the requantizer's constants."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.arithmetic import single_rounding
from celosia.arithmetic.single_rounding import SingleRounding
from celosia.compiler.step import Entries
from celosia.errors import FitError
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import NO_TIE

Int64Array = npt.NDArray[np.int64]


def accumulator_range(
    weights: npt.NDArray[np.int8], bias: Int64Array
) -> tuple[Int64Array, Int64Array]:
    """Least and greatest sum of weight times int8 plus bias, for each row of (rows, elements)."""
    positive = np.maximum(weights, 0).sum(axis=1, dtype=np.int64)
    negative = np.minimum(weights, 0).sum(axis=1, dtype=np.int64)
    return bias - 128 * positive + 127 * negative, bias + 127 * positive - 128 * negative


def signed_bits(low: int, high: int) -> int:
    """Bits of the narrowest two's complement number that holds both."""
    return max((~low).bit_length() if low < 0 else low.bit_length(), high.bit_length()) + 1


def entries(bias: Int64Array, found: SingleRounding) -> Entries:
    tie = np.where(found.tie == single_rounding.NO_TIE, NO_TIE, found.tie)
    return Entries(bias, *np.broadcast_arrays(found.multiplier, found.shift, tie))


def identity() -> Entries:
    """The one entry that leaves an int8 as it is: (v*2 + 1) >> 1."""
    one = np.ones(1, dtype=np.int64)
    return Entries(0 * one, 2 * one, one, NO_TIE * one)


def check_accumulator(
    low: Int64Array, high: Int64Array, config: AcceleratorConfig, layer: str
) -> None:
    """Raises FitError if accumulators between ``low`` and ``high`` exceed the configured width."""
    bits = signed_bits(int(low.min()), int(high.max()))
    if bits > config.accumulator_bits:
        raise FitError(
            f"{layer}: its accumulators need {bits} bits, the configuration has "
            f"{config.accumulator_bits}; use accumulator_bits={bits} or more"
        )
