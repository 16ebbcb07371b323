# SPDX-License-Identifier: BSD-2-Clause
"""Conditions on quantization that the reference kernels or the int8 specification set."""

from __future__ import annotations

import math

from celosia.graph.ir import DType, Function, Quantization

#: Values that a zero point, like any element, may have.
RANGES = {DType.INT8: (-128, 127), DType.UINT8: (0, 255)}

#: Output quantization that the int8 specification fixes: scale and zero point.
FIXED_OUTPUT = {
    Function.LOGISTIC: (1 / 256, -128),
    Function.TANH: (1 / 128, 0),
}
SOFTMAX_OUTPUT = (1 / 256, -128)
#: SOFTMAX accepts scales this near to its own (``SoftmaxPrepare``).
_SOFTMAX_TOLERANCE = 0.001 / 256
#: Pooling takes scales for equal that differ by no more (``pooling.cc``).
_POOL_TOLERANCE = 1e-6


def is_valid(quantization: Quantization | None, dtype: DType) -> bool:
    """Whether an activation of ``dtype`` (INT8 or UINT8) may have this quantization."""
    if quantization is None or len(quantization.scales) != 1 or len(quantization.zero_points) != 1:
        return False
    low, high = RANGES[dtype]
    scale = quantization.scale
    return math.isfinite(scale) and scale > 0 and low <= quantization.zero_point <= high


def is_same(a: Quantization, b: Quantization) -> bool:
    """Whether the same bytes mean the same values."""
    return a.scale == b.scale and a.zero_point == b.zero_point


def is_same_for_pooling(a: Quantization, b: Quantization) -> bool:
    """Whether pooling may copy values from one quantization to the other, as the kernels see it."""
    return abs(a.scale - b.scale) <= _POOL_TOLERANCE and a.zero_point == b.zero_point


def is_softmax_output(quantization: Quantization) -> bool:
    """Whether SOFTMAX can produce this quantization."""
    scale, zero_point = SOFTMAX_OUTPUT
    near = abs(quantization.scale - scale) <= _SOFTMAX_TOLERANCE
    return near and quantization.zero_point == zero_point
