# SPDX-License-Identifier: BSD-2-Clause
"""int8 SOFTMAX in fixed point (TensorFlow Lite: ``reference/softmax.h``; gemmlowp:
``fixedpoint/fixedpoint.h``).

Qi.f below means i integer and f fraction bits beside the sign, in int32. Differences to the
row's maximum are rescaled to Q5.26, their exponentials are Q0.31, the sum of these Q12.19.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.fixed_point import (
    INT32_MAX,
    Int64Array,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    wrap_int32,
)
from celosia.errors import ModelError

_DIFFERENCE_FRACTION_BITS = 26
_SUM_INTEGER_BITS = 12
_EXP_TO_SUM_SHIFT = _SUM_INTEGER_BITS
#: Largest number of classes whose exponentials, 1 at most, surely fit the sum's Q12.19.
MAX_CLASSES = (1 << _SUM_INTEGER_BITS) - 1

_QUARTER = 1 << _DIFFERENCE_FRACTION_BITS - 2
#: exp(-1/8) and 1/3 in Q0.31.
_EXP_MINUS_EIGHTH = 1895147668
_THIRD = 715827883
#: exp(-2^k) in Q0.31 for k = -2..4; factors of exp for each bit of -x from 1/4 on.
_EXP_OF_BITS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
#: 48/17 and -32/17 in Q2.29: the linear start of the reciprocal.
_48_BY_17 = 1515870810
_MINUS_32_BY_17 = -1010580540


def softmax_parameters(input_scale: float, beta: float) -> tuple[int, int, int]:
    """(multiplier, shift, least difference) of SOFTMAX.

    A difference to the maximum, in steps of the input and not below the least one (which is not
    positive), becomes Q5.26 by shifting it left by ``shift`` and multiplying by the Q31
    ``multiplier``. Below the least difference the output is 0 in real terms.

    Raises:
        ModelError: ``beta * input_scale`` is 2^-26 or less; the reference aborts on it.
    """
    real = np.float64(beta) * np.float64(input_scale) * 2.0**_DIFFERENCE_FRACTION_BITS
    real = min(real, np.float64(INT32_MAX))
    if not real > 1.0:
        raise ModelError(
            f"SOFTMAX: beta {beta:g} times the input scale {input_scale:g} must exceed 2^-26; "
            "quantize the model anew"
        )
    multiplier, shift = (int(value) for value in quantize_multiplier(real))
    radius = int(np.floor(31.0 * 2.0**_DIFFERENCE_FRACTION_BITS / 2.0**shift))
    return multiplier, shift, -radius


def softmax(x: npt.NDArray[np.int8], input_scale: float, beta: float) -> npt.NDArray[np.int8]:
    """SOFTMAX along the last axis (1..4095 classes); the output has scale 1/256, zero point -128.

    The reference aborts where the exponentials sum up to 512 and more, so that each probability
    is below half a step; here its formula yields what it should, -128 for all.

    Args:
        x: int8 values of any shape; the zero point does not matter.
        input_scale: of x.
        beta: factor of the exponent.

    Raises:
        ModelError: as ``softmax_parameters``, or more than 4095 classes.
    """
    if x.shape[-1] > MAX_CLASSES:
        raise ModelError(
            f"SOFTMAX over {x.shape[-1]} classes: the reference's sum overflows beyond "
            f"{MAX_CLASSES}; leave the softmax out of the model"
        )
    multiplier, shift, least = softmax_parameters(input_scale, beta)
    # All differences that occur are among these 256.
    differences = np.arange(-255, 1, dtype=np.int64)
    counted = differences >= least
    rescaled = multiply_by_quantized_multiplier(
        np.where(counted, differences, 0), multiplier, shift
    )
    table = np.where(counted, exp_on_negative_values(rescaled), 0)

    wide = x.astype(np.intp)
    exponentials = table[wide - wide.max(axis=-1, keepdims=True) + 255]
    sums = rounding_divide_by_pot(exponentials, _EXP_TO_SUM_SHIFT).sum(axis=-1, keepdims=True)
    scale, bits_over_unit = reciprocal(sums)
    quotient = saturating_rounding_doubling_high_mul(scale, exponentials)
    # Q0.31 to 8 bits, and the bits that the reciprocal was shifted by.
    outputs = rounding_divide_by_pot(quotient, bits_over_unit + 31 - 8) - 128
    return np.clip(outputs, -128, 127).astype(np.int8)


def exp_on_negative_values(x: npt.ArrayLike) -> Int64Array:
    """exp of Q5.26 values <= 0 as Q0.31 (1 becomes 2^31 - 1).

    The part of x within a quarter goes through a Taylor polynomial of degree 4 around -1/8, each
    further bit multiplies by a constant.
    """
    x = np.asarray(x, dtype=np.int64)
    fraction = (x & (_QUARTER - 1)) - _QUARTER
    result = _exp_within_quarter(_saturating_shift_left(fraction, 5))
    remainder = fraction - x
    for bit, factor in enumerate(_EXP_OF_BITS):
        scaled = saturating_rounding_doubling_high_mul(result, factor)
        result = np.where(remainder & (_QUARTER << bit), scaled, result)
    return np.where(x == 0, INT32_MAX, result)


def _exp_within_quarter(a: Int64Array) -> Int64Array:
    """exp of Q0.31 values in [-1/4, 0)."""
    high_mul = saturating_rounding_doubling_high_mul
    x = a + (1 << 28)
    x2 = high_mul(x, x)
    x3 = high_mul(x2, x)
    quarter_x4 = rounding_divide_by_pot(high_mul(x2, x2), 2)
    higher = rounding_divide_by_pot(high_mul(quarter_x4 + x3, _THIRD) + x2, 1)
    return _EXP_MINUS_EIGHTH + high_mul(_EXP_MINUS_EIGHTH, x + higher)


def reciprocal(x: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
    """1 / x for Q12.19 values x > 0: (Q0.31 mantissa, n), where 1 / x = mantissa * 2^-n.

    x is normalised to 1..2; three Newton steps in Q2.29 give its reciprocal.
    """
    x = np.asarray(x, dtype=np.int64)
    # frexp's exponent is the bit length, exactly, as x has 31 bits at most.
    leading_zeros = 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)
    minus_one = wrap_int32((x << leading_zeros) - (1 << 31))
    return _one_over_one_plus(minus_one), _SUM_INTEGER_BITS - leading_zeros


def _one_over_one_plus(a: Int64Array) -> Int64Array:
    """1 / (1 + a) for Q0.31 values a in [0, 1)."""
    high_mul = saturating_rounding_doubling_high_mul
    total = a + INT32_MAX
    half = (total + 1) // 2  # RoundingHalfSum of values that are not negative
    one = 1 << 29
    x = _48_BY_17 + high_mul(half, _MINUS_32_BY_17)
    for _ in range(3):
        error = one - high_mul(half, x)
        # The product of two Q2.29 is Q4.27.
        x = wrap_int32(x + _saturating_shift_left(high_mul(x, error), 2))
    return _saturating_shift_left(x, 1)


def _saturating_shift_left(x: Int64Array, shift: int) -> Int64Array:
    """x * 2^shift in int32, as gemmlowp saturates it: from beyond (2^31 >> shift) - 1 on."""
    threshold = (1 << 31 - shift) - 1
    shifted = np.where(x > threshold, INT32_MAX, x << shift)
    return np.where(x < -threshold, -INT32_MAX - 1, shifted)
