# SPDX-License-Identifier: BSD-2-Clause
"""Ranges of int8 tensors, channel by channel: an analysis that passes and the compiler share.

The channel axis is the last one. A range holds for every input whatsoever, as it follows from
weights, biases, clamps and tables alone; a channel whose ends coincide is constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import TypeAlias

import numpy as np

from celosia.arithmetic.add import add_operands
from celosia.arithmetic.functions import function_table
from celosia.arithmetic.pool import mean
from celosia.graph.ir import (
    Add,
    ArrayOp,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    DType,
    Elementwise,
    FullyConnected,
    Graph,
    Lookup,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Quantization,
    Reshape,
    ResidualAdd,
    Table,
    Tensor,
    TensorId,
    result_quantization,
)
from celosia.passes.accumulators import Interval, bounds
from celosia.passes.requantization import result_bounds
from celosia.passes.rewrite import result_clamp, zero_point

Ranges: TypeAlias = dict[TensorId, Interval]


def tensor_ranges(graph: Graph) -> Ranges:
    """The range of each int8 tensor that has a channel axis; tensors of other types are absent."""
    ranges: Ranges = {}
    for key, tensor in graph.tensors.items():
        if tensor.dtype is DType.INT8 and tensor.shape:
            ranges[key] = _of_constant(tensor) if tensor.data is not None else _full(tensor)
    for op in graph.ops:
        if op.output in ranges and all(tensor in ranges for tensor in op.inputs):
            ranges[op.output] = _of_op(graph, op, ranges)
    return ranges


def accumulator_bounds(
    graph: Graph, op: Conv2D | DepthwiseConv2D | FullyConnected, ranges: Ranges
) -> Interval:
    """Bounds of each output channel's accumulator, bias included, given ``tensor_ranges``."""
    source = ranges.get(op.inputs[0])
    return bounds(graph, op, source or _full(graph.tensors[op.inputs[0]]))


def _full(tensor: Tensor) -> Interval:
    ones = np.ones(tensor.shape[-1], dtype=np.int64)
    return Interval(-128 * ones, 127 * ones)


def _of_constant(tensor: Tensor) -> Interval:
    assert tensor.data is not None
    values = tensor.data.reshape(-1, tensor.shape[-1]).astype(np.int64)
    if not values.size:
        return _full(tensor)
    return Interval(values.min(axis=0), values.max(axis=0))


def _of_op(graph: Graph, op: Op, ranges: Ranges) -> Interval:
    result = _result(op, graph, [ranges[tensor] for tensor in op.inputs])
    if not isinstance(op, ArrayOp):
        return result
    result = result.clipped(*result_clamp(graph, op))
    if isinstance(op.epilogue, Table):
        return _image(op.epilogue.values, result)
    if isinstance(op.epilogue, ResidualAdd):
        other, output = graph.tensors[op.epilogue.other], graph.tensors[op.output]
        return _sum(
            result,
            ranges[op.epilogue.other],
            op.epilogue.inner,
            other.quantization,
            output.quantization,
            op.epilogue,
        )
    return result


@singledispatch
def _result(op: Op, graph: Graph, inputs: Sequence[Interval]) -> Interval:
    """Range of the operation's own result, before clamp and epilogue; anything if unknown."""
    return _full(graph.tensors[op.output])


@_result.register(Conv2D)
@_result.register(DepthwiseConv2D)
@_result.register(FullyConnected)
def _(
    op: Conv2D | DepthwiseConv2D | FullyConnected, graph: Graph, inputs: Sequence[Interval]
) -> Interval:
    return result_bounds(graph, op, bounds(graph, op, inputs[0]))


@_result.register(AveragePool2D)
@_result.register(MaxPool2D)
def _(op: AveragePool2D | MaxPool2D, graph: Graph, inputs: Sequence[Interval]) -> Interval:
    return inputs[0]


@_result.register
def _(op: Mean, graph: Graph, inputs: Sequence[Interval]) -> Interval:
    source, result = graph.tensors[op.inputs[0]], result_quantization(graph, op)
    count = source.shape[1] * source.shape[2]
    assert source.quantization is not None
    assert result is not None
    low, high = (
        mean(count * end, count, source.quantization, result).astype(np.int64)
        for end in (inputs[0].low, inputs[0].high)
    )
    return Interval(low, high)


@_result.register
def _(op: Add, graph: Graph, inputs: Sequence[Interval]) -> Interval:
    first, second = (graph.tensors[key].quantization for key in op.inputs)
    return _sum(inputs[0], inputs[1], first, second, result_quantization(graph, op), op)


@_result.register
def _(op: Pad, graph: Graph, inputs: Sequence[Interval]) -> Interval:
    centre = zero_point(graph, op.inputs[0])
    low, high = inputs[0].low, inputs[0].high
    if any(amount != (0, 0) for amount in op.amounts[:-1]):
        low, high = np.minimum(low, centre), np.maximum(high, centre)
    low, high = (np.pad(end, op.amounts[-1], constant_values=centre) for end in (low, high))
    return Interval(low, high)


@_result.register
def _(op: Reshape, graph: Graph, inputs: Sequence[Interval]) -> Interval:
    low, high = inputs[0].low, inputs[0].high
    before, after = len(low), graph.tensors[op.output].shape[-1]
    if after % before == 0:
        return Interval(np.tile(low, after // before), np.tile(high, after // before))
    if before % after == 0:
        return Interval(low.reshape(-1, after).min(axis=0), high.reshape(-1, after).max(axis=0))
    return Interval(np.full(after, low.min()), np.full(after, high.max()))


@_result.register
def _(op: Concatenation, graph: Graph, inputs: Sequence[Interval]) -> Interval:
    lows, highs = [part.low for part in inputs], [part.high for part in inputs]
    if op.axis == len(graph.tensors[op.output].shape) - 1:
        return Interval(np.concatenate(lows), np.concatenate(highs))
    return Interval(np.min(lows, axis=0), np.max(highs, axis=0))


@_result.register
def _(op: Elementwise, graph: Graph, inputs: Sequence[Interval]) -> Interval:
    source, result = graph.tensors[op.inputs[0]].quantization, result_quantization(graph, op)
    assert source is not None
    assert result is not None
    return _image(function_table(op.function, source, result, alpha=op.alpha).tolist(), inputs[0])


@_result.register
def _(op: Lookup, graph: Graph, inputs: Sequence[Interval]) -> Interval:
    return _image(op.values, inputs[0])


def _image(values: Sequence[int], source: Interval) -> Interval:
    """Range of ``values[x + 128]`` for x within ``source``."""
    table, at = np.asarray(values, dtype=np.int64), np.arange(-128, 128)
    inside = (at >= source.low[:, np.newaxis]) & (at <= source.high[:, np.newaxis])
    low = np.where(inside, table, 127).min(axis=1)
    return Interval(low, np.where(inside, table, -128).max(axis=1))


def _sum(
    a: Interval,
    b: Interval,
    first: Quantization | None,
    second: Quantization | None,
    output: Quantization | None,
    add: Add | ResidualAdd,
) -> Interval:
    """Range of ADD, which decreases in neither operand."""
    assert first is not None
    assert second is not None
    assert output is not None
    operands = add_operands(first, second, output, add.activation)
    low, high = (
        operands(x.astype(np.int8), y.astype(np.int8)).astype(np.int64)
        for x, y in ((a.low, b.low), (a.high, b.high))
    )
    return Interval(low, high)
