# SPDX-License-Identifier: BSD-2-Clause
"""Functions of one 8-bit value as tables of 256, equal to the reference kernels entry by entry.

Sources, in TensorFlow Lite: ``kernels/activations.cc`` (parameters of all of them),
``kernels/internal/common.h`` (``LUTPopulate`` for LOGISTIC and TANH),
``reference/leaky_relu.h``, ``reference/hard_swish.h``, ``reference/requantize.h``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.fixed_point import (
    INTEGER_RANGES,
    Int64Array,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    quantize_real,
    round_half_away,
)
from celosia.arithmetic.hard_swish import hard_swish
from celosia.graph.ir import DType, Function, Quantization

_Float: TypeAlias = npt.NDArray[np.float32]

#: Real ends of the clamping functions; None where the type's own end holds.
_CLAMPS: dict[Function, tuple[float, float | None]] = {
    Function.RELU: (0.0, None),
    Function.RELU6: (0.0, 6.0),
    Function.RELU_N1_TO_1: (-1.0, 1.0),
}


def function_table(
    function: Function,
    input_quantization: Quantization,
    output_quantization: Quantization,
    *,
    alpha: float = 0.0,
    input_dtype: DType = DType.INT8,
    output_dtype: DType = DType.INT8,
) -> npt.NDArray[np.int8 | np.uint8]:
    """All 256 outputs of a function, in the order of its inputs from the least one on.

    Args:
        function: what to tabulate; all but REQUANTIZE demand equal types, as the reference does.
        input_quantization: per-tensor, of the input.
        output_quantization: per-tensor, of the output.
        alpha: slope below zero of LEAKY_RELU.
        input_dtype: INT8 (entry x + 128 belongs to x) or UINT8 (entry x).
        output_dtype: element type of the result, INT8 or UINT8.

    Raises:
        ModelError: the scales are out of the range in which the reference is defined.
    """
    low, high = INTEGER_RANGES[input_dtype]
    values = np.arange(low, high + 1, dtype=np.int64)
    centred = values - input_quantization.zero_point
    limits = INTEGER_RANGES[output_dtype]
    match function:
        case Function.LOGISTIC:
            raw = _populate(_logistic, centred, input_quantization, output_quantization)
        case Function.TANH:
            raw = _populate(_tanh, centred, input_quantization, output_quantization)
        case Function.LEAKY_RELU:
            raw = _leaky_relu(centred, input_quantization, output_quantization, alpha)
        case Function.HARD_SWISH:
            raw = hard_swish(centred, input_quantization, output_quantization)
        case Function.REQUANTIZE:
            ratio = np.float64(input_quantization.scale) / np.float64(output_quantization.scale)
            raw = _scaled(centred, ratio, output_quantization)
        case _:
            ratio = _single_precision_ratio(input_quantization, output_quantization)
            raw = _scaled(centred, ratio, output_quantization)
            lowest, highest = _CLAMPS[function]
            raw = np.maximum(raw, quantize_real(lowest, output_quantization))
            if highest is not None:
                raw = np.minimum(raw, quantize_real(highest, output_quantization))
    return np.clip(raw, *limits).astype(output_dtype.numpy)


def _single_precision_ratio(input_: Quantization, output: Quantization) -> np.float64:
    """Input scale by output scale; the activation kernels divide in single precision."""
    return np.float64(np.float32(input_.scale) / np.float32(output.scale))


def _scaled(centred: Int64Array, ratio: np.float64, output: Quantization) -> Int64Array:
    scaled = multiply_by_quantized_multiplier(centred, *quantize_multiplier(ratio))
    return scaled + output.zero_point


def _leaky_relu(
    centred: Int64Array, input_: Quantization, output: Quantization, alpha: float
) -> Int64Array:
    """Two multipliers, one for each side of zero, both from single precision."""
    slope = np.float32(input_.scale) * np.float32(alpha) / np.float32(output.scale)
    # The sign is taken out of the multiplier: rounding is that of the positive slope.
    below = multiply_by_quantized_multiplier(centred, *quantize_multiplier(abs(slope)))
    above = _scaled(centred, _single_precision_ratio(input_, output), output)
    below = output.zero_point + (below if slope >= 0 else -below)
    return np.where(centred >= 0, above, below)


def _populate(
    function: Callable[[_Float], _Float],
    centred: Int64Array,
    input_: Quantization,
    output: Quantization,
) -> Int64Array:
    """``LUTPopulate``: single precision throughout, rounding halves away from zero."""
    real = np.float32(input_.scale) * centred.astype(np.float32)
    inverse = np.float32(1) / np.float32(output.scale)
    rescaled = round_half_away(function(real) * inverse)
    return (rescaled + np.float32(output.zero_point)).astype(np.int64)


def _logistic(x: _Float) -> _Float:
    # NumPy's own single-precision exp differs from the C library's in the last digit.
    with np.errstate(over="ignore"):
        exponential = np.exp(-x.astype(np.float64)).astype(np.float32)
        return np.float32(1) / (np.float32(1) + exponential)


def _tanh(x: _Float) -> _Float:
    return np.tanh(x.astype(np.float64)).astype(np.float32)
