# SPDX-License-Identifier: BSD-2-Clause
"""ADD of two int8 tensors (TensorFlow Lite: ``kernels/add.cc``, ``integer_ops/add.h``).

Both operands, less their zero points, are shifted left by 20 and rescaled to twice the larger of
the two input scales; the sum is rescaled to the output. As an operand has 256 values only, its
first rescaling is a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.fixed_point import (
    Int64Array,
    clamp_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantize,
)
from celosia.errors import ModelError
from celosia.graph.ir import Activation, Quantization

_LEFT_SHIFT = 20


@dataclass(frozen=True)
class AddOperands:
    """Everything that ADD computes with.

    ``first[a + 128] + second[b + 128]`` (each of magnitude below 2^27, int64 arrays of 256) is
    multiplied by the Q31 ``multiplier`` and shifted by ``shift`` (-31..0), with two roundings,
    then ``zero_point`` is added and the result clamped to ``clamp``.
    """

    first: Int64Array
    second: Int64Array
    multiplier: int
    shift: int
    zero_point: int
    clamp: tuple[int, int]

    def __call__(self, a: npt.NDArray[np.int8], b: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        """The int8 sums of int8 operands, which broadcast."""
        total = self.first[a.astype(np.intp) + 128] + self.second[b.astype(np.intp) + 128]
        return requantize(total, self.multiplier, self.shift, self.zero_point, self.clamp)

    def outputs(self) -> npt.NDArray[np.int8]:
        """All 65,536 results: [a + 128, b + 128]."""
        every = np.arange(-128, 128).astype(np.int8)
        return self(every[:, None], every[None, :])


def add_operands(
    first: Quantization,
    second: Quantization,
    output: Quantization,
    activation: Activation = Activation.NONE,
) -> AddOperands:
    """Tables and constants of ADD for int8 operands with these per-tensor quantizations.

    Raises:
        ModelError: an input scale is 2^19 times the output scale or more, the output scale is 2^108
            or more, or the activation's bound exceeds int32; the reference aborts on all of them.
    """
    factor = sum_factor(first.scale, second.scale, output.scale)
    multiplier, shift = quantize_multiplier(factor)
    if factor == 0 or shift > 0:
        raise ModelError(
            f"ADD from scales {first.scale:g} and {second.scale:g} to scale {output.scale:g}: "
            "the reference demands a ratio below 2^19; quantize the model anew"
        )
    twice_larger = 2 * max(np.float64(first.scale), np.float64(second.scale))
    return AddOperands(
        _scaled(first, twice_larger),
        _scaled(second, twice_larger),
        int(multiplier),
        int(shift),
        output.zero_point,
        clamp_range(activation, output),
    )


def sum_factor(first: float, second: float, output: float) -> float:
    """What the reference multiplies the sum of the rescaled operands by, from the three scales.

    It aborts unless the factor, rounded to 31 bits, is below 1, and on a factor of 0, which it gets
    where the denominator, a float32, overflows.
    """
    with np.errstate(over="ignore"):
        denominator = np.float32(1 << _LEFT_SHIFT) * np.float32(output)
    return 2 * max(first, second) / float(denominator)


def _scaled(operand: Quantization, twice_larger: np.float64) -> Int64Array:
    values = np.arange(-128, 128, dtype=np.int64) - operand.zero_point
    multiplier, shift = quantize_multiplier(np.float64(operand.scale) / twice_larger)
    return multiply_by_quantized_multiplier(values << _LEFT_SHIFT, multiplier, shift)
