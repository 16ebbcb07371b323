# SPDX-License-Identifier: BSD-2-Clause
"""Bounds of the accumulators of convolutions and fully connected layers, channel by channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from celosia.graph.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph
from celosia.passes.rewrite import zero_point

Int64Array: TypeAlias = npt.NDArray[np.int64]
WeightedOp: TypeAlias = Conv2D | DepthwiseConv2D | FullyConnected


@dataclass(frozen=True)
class Interval:
    """Least and greatest value of each channel (both included), int64 arrays of equal length."""

    low: Int64Array
    high: Int64Array

    @property
    def constant(self) -> npt.NDArray[np.bool_]:
        """Which channels have a single value."""
        return np.asarray(self.low == self.high)

    def clipped(self, low: int, high: int) -> Interval:
        return Interval(np.clip(self.low, low, high), np.clip(self.high, low, high))


def bounds(graph: Graph, op: WeightedOp, source: Interval) -> Interval:
    """Bounds of each output channel's accumulator, bias included, for inputs within ``source``.

    An input counts less its zero point, one in the padding as 0. Each bound is reached if all
    inputs of a window are independent and the window lies where each tap is extreme.
    """
    centre = zero_point(graph, op.inputs[0])
    low, high = source.low - centre, source.high - centre
    if isinstance(op, FullyConnected):
        weights = op.weights.astype(np.int64)
        low = _features(low, weights.shape[1], np.minimum)
        high = _features(high, weights.shape[1], np.maximum)
        return _sums(weights, low, high, op.bias)
    height, width = op.weights.shape[1:3] if isinstance(op, Conv2D) else op.weights.shape[:2]
    outside = _outside(graph, op, (height, width))
    # In the padding a tap counts 0, whatever its input.
    low, high = (np.broadcast_to(v, (height, width, len(v))) for v in (low, high))
    sometimes, always = (mask[:, :, np.newaxis] for mask in outside)
    low = np.where(always, 0, np.where(sometimes, np.minimum(low, 0), low))
    high = np.where(always, 0, np.where(sometimes, np.maximum(high, 0), high))
    if isinstance(op, Conv2D):
        weights = op.weights.reshape(len(op.bias), -1).astype(np.int64)
        return _sums(weights, low.ravel(), high.ravel(), op.bias)
    return _depthwise_sums(op, np.asarray(low), np.asarray(high))


def _sums(
    weights: Int64Array, low: Int64Array, high: Int64Array, bias: npt.NDArray[np.int32]
) -> Interval:
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    least = np.asarray(positive @ low + negative @ high + bias, dtype=np.int64)
    return Interval(least, np.asarray(positive @ high + negative @ low + bias, dtype=np.int64))


def _depthwise_sums(op: DepthwiseConv2D, low: Int64Array, high: Int64Array) -> Interval:
    """As ``_sums``, for bounds of each tap: (height, width, input channels)."""
    weights = op.weights.astype(np.int64)
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    low, high = np.repeat(low, op.multiplier, axis=2), np.repeat(high, op.multiplier, axis=2)
    least: Int64Array = (positive * low + negative * high).sum(axis=(0, 1))
    return Interval(least + op.bias, (positive * high + negative * low).sum(axis=(0, 1)) + op.bias)


def _features(values: Int64Array, count: int, end: np.ufunc) -> Int64Array:
    """Bounds of the ``count`` features of rows that are read from channels, one after another."""
    channels = len(values)
    if count % channels == 0:
        return np.tile(values, count // channels)
    if channels % count == 0:
        return np.asarray(end.reduce(values.reshape(-1, count), axis=0))
    return np.full(count, end.reduce(values))


def _outside(
    graph: Graph, op: Conv2D | DepthwiseConv2D, window: tuple[int, int]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For each tap of the window: whether it lies in the padding somewhere, and everywhere."""
    source, output = graph.tensors[op.inputs[0]].shape, graph.tensors[op.output].shape

    def outside(axis: int, before: int) -> npt.NDArray[np.bool_]:
        """[position, tap] along height (0) or width (1)."""
        starts = np.arange(output[1 + axis]) * op.stride[axis] - before
        at = starts[:, np.newaxis] + np.arange(window[axis]) * op.dilation[axis]
        return np.asarray((at < 0) | (at >= source[1 + axis]))

    rows, columns = outside(0, op.padding.top), outside(1, op.padding.left)
    some = np.logical_or.outer(np.any(rows, axis=0), np.any(columns, axis=0))
    return some, np.logical_or.outer(np.all(rows, axis=0), np.all(columns, axis=0))
