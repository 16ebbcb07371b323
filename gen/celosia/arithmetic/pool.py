# SPDX-License-Identifier: BSD-2-Clause
"""AVERAGE_POOL_2D and MEAN of int8 values (TensorFlow Lite: ``reference/integer_ops/pooling.h``,
``reference/reduce.h``)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.fixed_point import (
    INT32_MAX,
    Int64Array,
    quantize_multiplier,
    requantize,
)
from celosia.graph.ir import Quantization


def average(
    sums: npt.ArrayLike, counts: npt.ArrayLike, clamp: tuple[int, int]
) -> npt.NDArray[np.int8]:
    """AVERAGE_POOL_2D's division: sum / count, rounded to nearest, halves away from zero.

    Args:
        sums: of the raw int8 values of a window, zero points included.
        counts: elements of the window inside the image, >= 1; broadcasts against ``sums``.
        clamp: least and greatest output, within int8.
    """
    total, count = np.asarray(sums, dtype=np.int64), np.asarray(counts, dtype=np.int64)
    magnitude = (np.abs(total) + count // 2) // count
    return np.clip(np.where(total > 0, magnitude, -magnitude), *clamp).astype(np.int8)


def mean_multiplier(input_scale: float, output_scale: float, count: int) -> tuple[int, int]:
    """(multiplier, shift) by which MEAN over ``count`` >= 1 elements rescales a sum.

    The reference folds 1/count into the Q31 multiplier, rounding towards zero, after having shifted
    it left by as many bits as count has (less one); so the multiplier keeps 30 to 31 bits.
    """
    real = np.float64(input_scale) / np.float64(output_scale)
    multiplier, shift = (int(value) for value in quantize_multiplier(real))
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return min((multiplier << bits) // count, INT32_MAX), shift - bits


def mean(
    sums: npt.ArrayLike, count: int, input_: Quantization, output: Quantization
) -> npt.NDArray[np.int8]:
    """MEAN's int8 results for sums of ``count`` raw int8 values (zero points included)."""
    centred: Int64Array = np.asarray(sums, dtype=np.int64) - input_.zero_point * count
    multiplier, shift = mean_multiplier(input_.scale, output.scale, count)
    return requantize(centred, multiplier, shift, output.zero_point, (-128, 127))
