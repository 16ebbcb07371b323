# SPDX-License-Identifier: BSD-2-Clause
"""Parameter entries of operations: biases and the requantizer's constants.

The array multiplies raw int8 activations, so that the zero point of the input moves into the bias:
``v = sum(w * x) + (bias - zero_point * sum(w))`` is exactly the reference's accumulator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from celosia.arithmetic import pool, rounding_search, single_rounding
from celosia.arithmetic.single_rounding import SingleRounding
from celosia.compiler.context import Context
from celosia.compiler.step import Entries
from celosia.errors import FitError, ModelError
from celosia.graph.ir import (
    ArrayOp,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Mean,
)
from celosia.passes.requantization import is_defined
from celosia.passes.requantization import single_rounding as rounding
from celosia.passes.rewrite import result_clamp
from celosia_hw.config import AcceleratorConfig

Int64Array = npt.NDArray[np.int64]
#: Windows of up to this many elements have all their sums tabulated.
TABULATED = 1 << 12
WeightedOp = Conv2D | DepthwiseConv2D | FullyConnected


@dataclass(frozen=True)
class Requantization:
    """Entries of all outputs (or the one of all of them), and what is known of their sums.

    ``accumulator_bits`` hold every sum with its bias, ``sum_bits`` every sum without.
    """

    entries: Entries
    zero_point: int
    low: int
    high: int
    accumulator_bits: int
    sum_bits: int

    def repeated(self, times: int) -> Requantization:
        """For ``times`` copies of the same channels, one behind the other."""
        e = self.entries
        arrays = (np.tile(v, times) for v in (e.bias, e.multiplier, e.shift, e.tie))
        return replace(self, entries=Entries(*arrays))


def signed_bits(low: int, high: int) -> int:
    """Bits of the narrowest two's complement number that holds both."""
    return max((~low).bit_length() if low < 0 else low.bit_length(), high.bit_length()) + 1


def identity(low: int = -128, high: int = 127) -> Requantization:
    """Leaves an int8 as it is, (v*2 + 1) >> 1, but for a clamp."""
    one = np.ones(1, dtype=np.int64)
    return Requantization(
        Entries(0 * one, 2 * one, one, single_rounding.NO_TIE * one), 0, low, high, 8, 8
    )


def of_weighted(context: Context, op: WeightedOp) -> Requantization:
    """For a convolution or a fully connected layer.

    Raises:
        FitError: the accumulators or the multipliers need more bits than configured.
        ModelError: the reference's own int32 could overflow.
    """
    bounds = context.accumulators(op)
    found = rounding(context.graph, op, bounds)
    if found is None:
        raise ModelError(
            f"{context.describe(op)}: "
            + (
                "no single rounding gives its exact results; split it (celosia.passes.optimize)"
                if is_defined(context.graph, op, bounds).all()
                else "an accumulator could overflow the reference's 32 bits; quantize the model "
                "anew"
            )
        )
    weights = op.weights
    rows = weights.reshape(-1, len(op.bias)).T if isinstance(op, DepthwiseConv2D) else weights
    sums = rows.reshape(len(op.bias), -1).sum(axis=1, dtype=np.int64)
    centre = context.quantization(op.inputs[0]).zero_point
    bias = op.bias.astype(np.int64) - centre * sums
    return _checked(context, op, _requantization(bias, found, bounds.low, bounds.high))


def of_average(context: Context, op: AveragePool2D, count: int) -> Requantization:
    """For the windows of a pool that have ``count`` elements inside the image."""
    clamp = result_clamp(context.graph, op)

    def division(sums: Int64Array) -> npt.NDArray[np.int8]:
        return pool.average(sums, count, clamp)

    return _of_function(context, op, division, count, 0, 1 / count, clamp)


def of_mean(context: Context, op: Mean, count: int) -> Requantization:
    source, result = context.quantization(op.inputs[0]), context.result_quantization(op)
    clamp = result_clamp(context.graph, op)

    def division(sums: Int64Array) -> npt.NDArray[np.int8]:
        return np.clip(pool.mean(sums, count, source, result), *clamp)

    slope = source.scale / result.scale / count
    return _of_function(context, op, division, count, -source.zero_point * count, slope, clamp)


def _of_function(
    context: Context,
    op: AveragePool2D | Mean,
    division: Callable[[Int64Array], npt.NDArray[np.int8]],
    count: int,
    bias: int,
    slope: float,
    clamp: tuple[int, int],
) -> Requantization:
    """``division`` of the sums -128*count..127*count, to which the hardware adds ``bias``."""
    zero_point = context.result_quantization(op).zero_point if isinstance(op, Mean) else 0
    low, high = np.array([-128 * count + bias]), np.array([127 * count + bias])
    if count <= TABULATED:
        values = division(np.arange(-128 * count, 127 * count + 1))
        found = rounding_search.find_for_function(values, int(low[0]), zero_point, clamp, 31)
    else:
        at = _steps(division, -128 * count, 127 * count, clamp) + bias
        steps = single_rounding.Steps(at[None, :], low, high, zero_point, clamp)
        found = rounding_search.find_for_steps(steps, np.frexp(slope)[1], 31)
    if found is None:
        raise FitError(
            f"{context.describe(op)}: no single rounding equals its division by {count}; "
            "choose another window"
        )
    return _checked(context, op, _requantization(np.array([bias]), found, low, high))


def _steps(
    division: Callable[[Int64Array], npt.NDArray[np.int8]],
    low: int,
    high: int,
    clamp: tuple[int, int],
) -> Int64Array:
    """The least sum of low..high whose result is at least each level above the clamp's lower end,
    ``high + 1`` where there is none; ``division`` never decreases."""
    levels = np.arange(clamp[0] + 1, clamp[1] + 1)
    before = np.full(len(levels), low - 1, dtype=np.int64)
    reached = np.full(len(levels), high + 1, dtype=np.int64)
    while np.any(reached - before > 1):
        middle = (before + reached) // 2
        inside = np.clip(middle, low, high)
        good = (division(inside) >= levels) | (middle > high)
        reached = np.where(good, middle, reached)
        before = np.where(good, before, middle)
    return reached


def _requantization(
    bias: Int64Array, found: SingleRounding, low: Int64Array, high: Int64Array
) -> Requantization:
    bias, low, high = (value + found.offset for value in (bias, low, high))
    return Requantization(
        Entries(bias, *np.broadcast_arrays(found.multiplier, found.shift, found.tie)),
        found.zero_point,
        *found.clamp,
        signed_bits(int(low.min()), int(high.max())),
        signed_bits(int((low - bias).min()), int((high - bias).max())),
    )


def _checked(context: Context, op: ArrayOp, found: Requantization) -> Requantization:
    config = context.config
    e = found.entries
    bits = max(found.accumulator_bits, signed_bits(int(e.bias.min()), int(e.bias.max())))
    if bits > config.accumulator_bits:
        raise FitError(
            f"{context.describe(op)}: its accumulators need {bits} bits, the configuration has "
            f"{config.accumulator_bits}; {_remedy('accumulator_bits', bits, 32)}"
        )
    bits = e.multiplier_bits
    if bits > config.multiplier_bits:
        raise FitError(
            f"{context.describe(op)}: its requantization needs a multiplier of {bits} bits, the "
            f"configuration has {config.multiplier_bits}; {_remedy('multiplier_bits', bits, 32)}"
        )
    return found


def _remedy(name: str, bits: int, limit: int) -> str:
    if bits > limit:
        return f"no accelerator has more than {limit}"
    return f"generate an accelerator with {name}={bits}"


def fits_chain(found: Requantization, config: AcceleratorConfig) -> bool:
    """Whether the depthwise accumulators hold every sum."""
    return found.sum_bits <= config.chain_bits
