# SPDX-License-Identifier: BSD-2-Clause
"""How operations with weights turn accumulators into int8: as the reference does it, and as the
hardware does, which rounds once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    conv_multipliers,
    multiply_by_quantized_multiplier,
)
from celosia.arithmetic.fully_connected import (
    fully_connected_scales,
    fully_connected_steps,
    rescale_fully_connected,
)
from celosia.arithmetic.rounding_search import find, find_for_steps
from celosia.arithmetic.single_rounding import SingleRounding, Steps
from celosia.graph.ir import (
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Quantization,
    result_quantization,
)
from celosia.passes.accumulators import Int64Array, Interval, WeightedOp
from celosia.passes.rewrite import result_clamp


def single_rounding(
    graph: Graph, op: WeightedOp, accumulators: Interval, multiplier_bits: int = 31
) -> SingleRounding | None:
    """The hardware's constants for each output channel, proved equal to the reference.

    Args:
        graph: the graph of ``op``.
        op: a convolution or a fully connected layer.
        accumulators: all that can occur, bias included (``ranges.accumulator_bounds``).
        multiplier_bits: 1..31.

    Returns:
        Constants that give the operation's own result, before any epilogue; None where a channel
        has none of that width, or where the reference's int32 can overflow.
    """
    source, result = _quantizations(graph, op)
    clamp = result_clamp(graph, op)
    if isinstance(op, Conv2D | DepthwiseConv2D):
        q31, shift = conv_multipliers(source.scale, op.weight_scales, result.scale)
        ends = accumulators.low, accumulators.high
        return find(q31, shift, *ends, result.zero_point, clamp, multiplier_bits)
    if not np.all(is_defined(graph, op, accumulators)):
        return None
    scales = fully_connected_scales(source.scale, op.weight_scales, result.scale)
    levels = np.arange(clamp[0] + 1, clamp[1] + 1) - result.zero_point
    low, high = accumulators.low[:, np.newaxis], accumulators.high[:, np.newaxis]
    at = np.clip(fully_connected_steps(scales, levels), low, high + 1)
    steps = Steps(at, accumulators.low, accumulators.high, result.zero_point, clamp)
    return find_for_steps(steps, np.frexp(scales)[1], multiplier_bits)


def result_bounds(graph: Graph, op: WeightedOp, accumulators: Interval) -> Interval:
    """Bounds of the operation's own result, which never decreases with the accumulator.

    Where the reference's int32 can overflow, the result may be any int8.
    """
    _, result = _quantizations(graph, op)
    ends = (_rescaled(graph, op, end) for end in (accumulators.low, accumulators.high))
    low, high = (np.clip(end + result.zero_point, -128, 127).astype(np.int64) for end in ends)
    low[~is_defined(graph, op, accumulators)] = -128
    high[~is_defined(graph, op, accumulators)] = 127
    return Interval(low, high)


def _rescaled(graph: Graph, op: WeightedOp, accumulator: Int64Array) -> Int64Array:
    """The reference's result before the zero point is added."""
    source, result = _quantizations(graph, op)
    if isinstance(op, FullyConnected):
        scales = fully_connected_scales(source.scale, op.weight_scales, result.scale)
        return rescale_fully_connected(accumulator, scales)
    q31, shift = conv_multipliers(source.scale, op.weight_scales, result.scale)
    return multiply_by_quantized_multiplier(accumulator, q31, shift)


def is_defined(graph: Graph, op: WeightedOp, accumulators: Interval) -> npt.NDArray[np.bool_]:
    """For which channels no accumulator within bounds overflows int32 on its way."""
    ends = np.stack([accumulators.low, accumulators.high])
    fits = (ends >= INT32_MIN) & (ends <= INT32_MAX)
    if isinstance(op, FullyConnected):
        shifted = _rescaled(graph, op, ends)
    else:
        source, result = _quantizations(graph, op)
        _, shift = conv_multipliers(source.scale, op.weight_scales, result.scale)
        shifted = np.left_shift(np.where(fits, ends, 0), np.maximum(shift, 0), dtype=np.int64)
    # The zero point is added to what is left.
    fits &= (shifted >= INT32_MIN + 255) & (shifted <= INT32_MAX - 255)
    return np.asarray(np.all(fits, axis=0))


def _quantizations(graph: Graph, op: WeightedOp) -> tuple[Quantization, Quantization]:
    """Of the input, and of the operation's own result."""
    source, result = graph.tensors[op.inputs[0]].quantization, result_quantization(graph, op)
    if source is None or result is None:
        raise ValueError("an operation with weights must read and write quantized tensors")
    return source, result
