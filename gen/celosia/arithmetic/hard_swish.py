# SPDX-License-Identifier: BSD-2-Clause
"""HARD_SWISH, x * relu6(x + 3) / 6, in the 16-bit arithmetic of ``reference/hard_swish.h``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.fixed_point import Int64Array, quantize_multiplier
from celosia.errors import ModelError
from celosia.graph.ir import Quantization

_INT16_MIN, _INT16_MAX = -(1 << 15), (1 << 15) - 1


def hard_swish(centred: Int64Array, input_: Quantization, output: Quantization) -> Int64Array:
    """Outputs before the final clamp to 8 bits.

    Args:
        centred: inputs less the input's zero point, -255..255.
        input_: per-tensor quantization of the input.
        output: per-tensor quantization of the output.

    Raises:
        ModelError: the input scale is 128 times the output scale or more, which the reference
            refuses.
    """
    # Inputs are shifted left by 7; the parameters are computed in single precision.
    fine_scale = np.float32(1 / 128) * np.float32(input_.scale)
    output_multiplier, output_shift = _multiplier(fine_scale / np.float32(output.scale))
    relu_multiplier, relu_shift = _multiplier(fine_scale / (np.float32(3) / np.float32(32768)))
    if output_shift > 0:
        raise ModelError(
            f"HARD_SWISH from scale {input_.scale:g} to scale {output.scale:g}: the reference "
            "demands a ratio below 128; quantize the model anew"
        )

    fine = _wrap(centred << 7)
    scaled = _high_mul_rounding(fine, output_multiplier)
    # relu6(x + 3) / 6 as a factor in 0..1: x / 3 saturated to -1..1, then moved and halved.
    factor = fine
    if relu_shift > 0:
        factor = _saturate(factor << relu_shift - 1)
    factor = _high_mul_rounding(factor, relu_multiplier)
    if relu_shift > 0:
        factor = _saturate(factor << 1)
    factor = _divide_by_pot(factor, max(-relu_shift, 0))
    factor = _wrap((factor + (1 << 15)) >> 1)
    product = _divide_by_pot(_high_mul_truncating(factor, scaled), -output_shift)
    return _wrap(product + output.zero_point)


def _multiplier(real: np.float32) -> tuple[int, int]:
    """A 16-bit multiplier (rounded from Q31) and its shift."""
    wide, shift = quantize_multiplier(np.float64(real))
    narrow = min((int(wide) + (1 << 15)) >> 16, _INT16_MAX)
    return narrow, int(shift)


def _wrap(values: npt.ArrayLike) -> Int64Array:
    return np.asarray(values, dtype=np.int64).astype(np.int16).astype(np.int64)


def _saturate(values: Int64Array) -> Int64Array:
    return np.clip(values, _INT16_MIN, _INT16_MAX)


def _high_mul_rounding(a: Int64Array, b: int) -> Int64Array:
    """round(a * b / 2^15), halves up."""
    return _saturate((a * b + (1 << 14)) >> 15)


def _high_mul_truncating(a: Int64Array, b: Int64Array) -> Int64Array:
    """a * b / 2^15, towards zero."""
    product = a * b
    return _saturate(np.sign(product) * (np.abs(product) >> 15))


def _divide_by_pot(x: Int64Array, exponent: int) -> Int64Array:
    """gemmlowp's RoundingDivideByPOT on 16 bits.

    Halves go away from zero; for exponents beyond 15, which happen at extreme scales, the mask
    of the remainder overflows, and the kernel's result is that of the steps below.
    """
    mask = int(_wrap((1 << exponent) - 1))
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)
