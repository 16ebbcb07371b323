# SPDX-License-Identifier: BSD-2-Clause
"""Remove channels that are constant, or that nothing reads.

A channel is constant where its filter has no weights, or where the clamp leaves one value over
the whole reachable range. A convolution or fully connected layer that reads a constant channel
needs it no more once the constant's contribution is in its bias. In the padding, though, the
channel is the zero point: where a window reaches into it, the constant must be the zero point.
A channel whose weights are zero in all readers is not needed either.

What a removed channel was computed from may then be unused, too: apply until nothing changes.
"""

from __future__ import annotations

import heapq
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from celosia.graph.ir import Conv2D, FullyConnected, Graph, Padding, TensorId
from celosia.passes.channels import Kept, Ties, features, restrict, tied_inputs
from celosia.passes.ranges import Ranges, tensor_ranges
from celosia.passes.rewrite import copied, zero_point

_INT32_MIN, _INT32_MAX = -(1 << 31), (1 << 31) - 1


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph without the channels that can go. Inputs and outputs of the graph keep all of
    theirs, and every tensor keeps one at least."""
    result = copied(graph)
    ranges = tensor_ranges(result)
    ties = Ties(result)
    kept = _demanded(result, ranges)
    ties.spread(kept)
    biases = _settle(result, ranges, kept, ties)
    if all(mask.all() for mask in kept.values()):
        return result, False
    for op in result.ops:
        if isinstance(op, Conv2D | FullyConnected):
            op.bias = biases[id(op)]
    restrict(result, kept)
    return result, True


def _demanded(graph: Graph, ranges: Ranges) -> Kept:
    """The channels that some reader needs, or that belong to the graph's interface."""
    kept: Kept = {
        key: np.zeros(tensor.shape[-1], dtype=np.bool_) for key, tensor in graph.tensors.items()
    }
    for key, mask in kept.items():
        mask[:] = key in graph.inputs or key in graph.outputs or key not in ranges
    for op in graph.ops:
        if isinstance(op, Conv2D | FullyConnected):
            kept[op.inputs[0]] |= _needed_by(graph, op, ranges)
        elif not tied_inputs(graph, op):
            for tensor in (*op.inputs, op.output):
                kept[tensor][:] = True
    return kept


def _needed_by(graph: Graph, op: Conv2D | FullyConnected, ranges: Ranges) -> npt.NDArray[np.bool_]:
    """The input channels that ``op`` cannot do without."""
    tensor = op.inputs[0]
    channels = graph.tensors[tensor].shape[-1]
    if isinstance(op, FullyConnected):
        of_feature = features(channels, op.weights.shape[1])
        if of_feature is None or tensor not in ranges:
            return np.ones(channels, dtype=np.bool_)
        read = np.zeros(channels, dtype=np.bool_)
        np.logical_or.at(read, of_feature, np.any(op.weights, axis=0))
        return np.asarray(read & ~ranges[tensor].constant)
    read = np.any(op.weights, axis=(0, 1, 2))
    if tensor not in ranges:
        return np.asarray(read)
    absorbed = ranges[tensor].constant
    if op.padding != Padding():
        absorbed = absorbed & (ranges[tensor].low == zero_point(graph, tensor))
    return np.asarray(read & ~absorbed)


def _settle(
    graph: Graph, ranges: Ranges, kept: Kept, ties: Ties
) -> dict[int, npt.NDArray[np.int32]]:
    """Keep what cannot go after all (``kept`` changes); the biases that absorb all the rest.

    A tensor keeps one channel at least; a bias must stay in int32.
    """
    for key, mask in kept.items():
        if not mask.any():
            mask[0] = True
            ties.spread(kept, key)
    weighted = [op for op in graph.ops if isinstance(op, Conv2D | FullyConnected)]
    readers: dict[TensorId, list[int]] = defaultdict(list)
    for number, op in enumerate(weighted):
        readers[op.inputs[0]].append(number)
    biases = {}
    # Always the first whose input has changed: what it brings back may help those behind.
    waiting = list(range(len(weighted)))
    while waiting:
        op = weighted[heapq.heappop(waiting)]
        biases[id(op)], back = _absorbed(graph, op, ranges, kept)
        if back is None:
            continue
        tensor, channel = back
        kept[tensor][channel] = True
        for changed in {tensor, *ties.spread(kept, tensor)}:
            for number in readers[changed]:
                heapq.heappush(waiting, number)
    return biases


def _absorbed(
    graph: Graph, op: Conv2D | FullyConnected, ranges: Ranges, kept: Kept
) -> tuple[npt.NDArray[np.int32], tuple[TensorId, int] | None]:
    """The bias with the contributions of all removed input channels; and if it leaves int32, the
    channel with the largest contribution."""
    tensor = op.inputs[0]
    gone = ~kept[tensor]
    if not gone.any():
        return op.bias, None
    # Of removed channels that are not constant all weights are zero, whatever the value.
    value = ranges[tensor].low - zero_point(graph, tensor)
    if isinstance(op, Conv2D):
        weights = op.weights.sum(axis=(1, 2), dtype=np.int64)
    else:
        # Something went, so that rows hold whole pixels (_needed_by).
        weights = op.weights.reshape(len(op.bias), -1, len(gone)).sum(axis=1, dtype=np.int64)
    shares = weights * np.where(gone, value, 0)
    bias = op.bias + shares.sum(axis=1)
    outside = (bias < _INT32_MIN) | (bias > _INT32_MAX)
    if outside.any():
        worst = np.abs(shares[outside]).max(axis=0)
        return op.bias, (tensor, int(np.argmax(worst)))
    return bias.astype(np.int32), None
