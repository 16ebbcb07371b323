# SPDX-License-Identifier: BSD-2-Clause
"""The integer arithmetic of TensorFlow Lite's reference kernels, vectorised.

The primitives are those of gemmlowp (``fixedpoint/fixedpoint.h``) and of TensorFlow Lite
(``kernels/internal/common.cc``, ``quantization_util.cc``, ``kernel_util.cc``), in the form with
two roundings that LiteRT is built with. Values are int64 arrays that hold what the kernels keep
in int32; where the kernels' int32 would overflow, so does the result here (it wraps).

A real multiplier is represented as ``multiplier * 2^(shift - 31)`` with a Q31 ``multiplier`` in
2^30..2^31 - 1 (or 0); a positive ``shift`` shifts left before the multiplication, a negative one
right after it.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from celosia.errors import ModelError
from celosia.graph.ir import Activation, DType, Quantization

Int64Array: TypeAlias = npt.NDArray[np.int64]

INT32_MIN = -(1 << 31)
INT32_MAX = (1 << 31) - 1

#: Ends of the 8-bit types.
INTEGER_RANGES = {DType.INT8: (-128, 127), DType.UINT8: (0, 255)}

#: Real ends of the fused activations; None where the type's own end holds.
_ACTIVATION_ENDS: dict[Activation, tuple[float | None, float | None]] = {
    Activation.NONE: (None, None),
    Activation.RELU: (0.0, None),
    Activation.RELU6: (0.0, 6.0),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
}


def wrap_int32(values: npt.ArrayLike) -> Int64Array:
    """Two's complement of the low 32 bits: what an int32 that overflows holds."""
    return np.asarray(values, dtype=np.int64).astype(np.int32).astype(np.int64)


def saturating_rounding_doubling_high_mul(a: npt.ArrayLike, b: npt.ArrayLike) -> Int64Array:
    """round(a * b / 2^31), halves up, for int32 a and b; -2^31 * -2^31 saturates to 2^31 - 1.

    gemmlowp adds 2^30 to a product that is not negative and 1 - 2^30 to a negative one, then
    divides towards zero: both are floor((a * b + 2^30) / 2^31).
    """
    product = np.asarray(a, dtype=np.int64) * np.asarray(b, dtype=np.int64)
    return np.asarray(np.minimum((product + (1 << 30)) >> 31, INT32_MAX))


def rounding_divide_by_pot(x: npt.ArrayLike, exponent: npt.ArrayLike) -> Int64Array:
    """round(x / 2^exponent), halves away from zero, for int32 x and exponents 0..31."""
    x = np.asarray(x, dtype=np.int64)
    exponent = np.asarray(exponent, dtype=np.int64)
    half = np.where(exponent > 0, np.int64(1) << np.maximum(exponent - 1, 0), 0)
    return np.asarray((x + half - ((x < 0) & (exponent > 0))) >> exponent)


def multiply_by_quantized_multiplier(
    x: npt.ArrayLike, multiplier: npt.ArrayLike, shift: npt.ArrayLike
) -> Int64Array:
    """x * multiplier * 2^(shift - 31) with the reference's two roundings (arguments broadcast).

    Args:
        x: int32 values.
        multiplier: Q31, 0..2^31 - 1.
        shift: -31..31; where ``x * 2^shift`` leaves int32 it wraps, as it does in the kernels.
    """
    shift = np.asarray(shift, dtype=np.int64)
    shifted = wrap_int32(np.asarray(x, dtype=np.int64) << np.maximum(shift, 0))
    high = saturating_rounding_doubling_high_mul(shifted, multiplier)
    return rounding_divide_by_pot(high, np.maximum(-shift, 0))


def quantize_multiplier(real: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
    """(multiplier, shift) of real multipliers given in double precision, any shape.

    Multipliers below about 2^-32 become (0, 0), as in ``QuantizeMultiplier``.

    Raises:
        ModelError: a multiplier is not finite, negative, or 2^31 and more, where the reference's
            shift by 32 bits is undefined.
    """
    reals = np.asarray(real, dtype=np.float64)
    mantissa, exponent = np.frexp(np.where(np.isfinite(reals), reals, -1.0))
    shift = exponent.astype(np.int64)
    # mantissa * 2^31 is exact; adding 1/2 is too, as the fraction has 53 - 31 bits at most.
    multiplier = np.floor(mantissa * 2.0**31 + 0.5).astype(np.int64)
    carried = multiplier == 1 << 31
    multiplier = np.where(carried, 1 << 30, multiplier)
    shift = np.where(carried, shift + 1, shift)
    if np.any(multiplier < 0) or np.any(shift > 31):
        raise ModelError(
            "a ratio of scales is negative, not a number, or 2^31 and more, which the reference "
            "kernels leave undefined; quantize the model anew"
        )
    flushed = (shift < -31) | (multiplier == 0)
    return np.where(flushed, 0, multiplier), np.where(flushed, 0, shift)


def conv_multipliers(
    input_scale: float, weight_scales: npt.ArrayLike, output_scale: float
) -> tuple[Int64Array, Int64Array]:
    """(multipliers, shifts), one for each output channel, of CONV_2D and DEPTHWISE_CONV_2D.

    Scales are the file's float32 values; the effective scale is computed in double precision.
    """
    scales = np.asarray(weight_scales, dtype=np.float64)
    return quantize_multiplier(np.float64(input_scale) * scales / np.float64(output_scale))


def requantize(
    accumulators: npt.ArrayLike,
    multipliers: npt.ArrayLike,
    shifts: npt.ArrayLike,
    zero_point: int,
    clamp: tuple[int, int],
) -> npt.NDArray[np.int8]:
    """int8 results of accumulators (int32 values, any shape).

    ``multipliers`` and ``shifts`` broadcast along the last axis; ``clamp`` lies within int8.
    """
    scaled = multiply_by_quantized_multiplier(accumulators, multipliers, shifts)
    return np.clip(wrap_int32(scaled + zero_point), *clamp).astype(np.int8)


def clamp_range(
    activation: Activation, output: Quantization, dtype: DType = DType.INT8
) -> tuple[int, int]:
    """Least and greatest output of a fused activation, for an 8-bit ``dtype``.

    Raises:
        ModelError: a bound of the activation exceeds int32 at the output's scale (the reference
            refuses such a model, too).
    """
    low, high = INTEGER_RANGES[dtype]
    low_end, high_end = _ACTIVATION_ENDS[activation]
    if low_end is not None:
        low = max(low, quantize_real(low_end, output))
    if high_end is not None:
        high = min(high, quantize_real(high_end, output))
    return low, high


def quantize_real(value: float, quantization: Quantization) -> int:
    """zero_point + round(value / scale) in single precision, halves away from zero, not clamped.

    Raises:
        ModelError: the quotient exceeds int32.
    """
    with np.errstate(over="ignore"):
        quotient = np.float32(value) / np.float32(quantization.scale)
    rounded = float(round_half_away(quotient))
    if not INT32_MIN <= rounded <= INT32_MAX:
        raise ModelError(
            f"a scale of {quantization.scale:g} is too small: {value:g} divided by it must fit "
            "32 bits; quantize the model anew"
        )
    return quantization.zero_point + int(rounded)


def round_half_away(values: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """C's round(): to the nearest integer, halves away from zero, in the type of ``values``."""
    values = np.asarray(values)
    truncated = np.trunc(values)
    return np.asarray(truncated + np.where(np.abs(values - truncated) >= 0.5, np.sign(values), 0))
