# SPDX-License-Identifier: BSD-2-Clause
"""Which channels of which tensors must be removed together, and how they are removed.

Operations that work on channels apart (depthwise convolutions, pools, additions, tables,
reshapes that keep or flatten the channels, concatenations) tie channels of their operands to
channels of their result: either all of them stay or all of them go. Convolutions and fully
connected layers tie nothing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from celosia.graph.ir import (
    Add,
    ArrayOp,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Elementwise,
    FullyConnected,
    Graph,
    Lookup,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Reshape,
    ResidualAdd,
    TensorId,
)

Kept: TypeAlias = dict[TensorId, npt.NDArray[np.bool_]]
Indices: TypeAlias = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Tie:
    """Channel ``first_channels[i]`` of tensor ``first`` and ``second_channels[i]`` of ``second``
    stay or go together."""

    first: TensorId
    first_channels: Indices
    second: TensorId
    second_channels: Indices


class Ties:
    """All ties between the channels of a graph's tensors."""

    def __init__(self, graph: Graph) -> None:
        self._ties = [
            t for op in graph.ops for t in (*_ties(graph, op), *_residual_ties(graph, op))
        ]
        self._of: dict[TensorId, list[int]] = defaultdict(list)
        for number, tie in enumerate(self._ties):
            self._of[tie.first].append(number)
            self._of[tie.second].append(number)

    def spread(self, kept: Kept, tensor: TensorId | None = None) -> set[TensorId]:
        """Extend ``kept`` (changed in place) by all that is tied to a channel that is kept.

        With ``tensor``, channels of that one alone were added since. Returns the tensors that were
        extended.
        """
        waiting = deque(range(len(self._ties)) if tensor is None else self._of[tensor])
        queued = set(waiting)
        extended = set()
        while waiting:
            number = waiting.popleft()
            queued.remove(number)
            tie = self._ties[number]
            first, second = kept[tie.first], kept[tie.second]
            together = first[tie.first_channels] | second[tie.second_channels]
            for key, mask, channels in (
                (tie.first, first, tie.first_channels),
                (tie.second, second, tie.second_channels),
            ):
                before = int(mask.sum())
                np.logical_or.at(mask, channels, together)
                if int(mask.sum()) == before:
                    continue
                extended.add(key)
                more = [other for other in self._of[key] if other not in queued]
                waiting.extend(more)
                queued.update(more)
        return extended


def tied_inputs(graph: Graph, op: Op) -> bool:
    """Whether all inputs' channels are accounted for by ties (or by weights)."""
    return isinstance(op, Conv2D | FullyConnected) or any(True for _ in _ties(graph, op))


def features(channels: int, count: int) -> Indices | None:
    """The channel of each of a fully connected layer's ``count`` input features, where a row
    holds whole pixels; None where it does not."""
    return np.arange(count) % channels if count % channels == 0 else None


def _ties(graph: Graph, op: Op) -> Iterator[Tie]:
    output = op.output
    after = graph.tensors[output].shape[-1]
    before = [graph.tensors[tensor].shape[-1] for tensor in op.inputs]
    every = np.arange(after)
    match op:
        case DepthwiseConv2D():
            yield Tie(op.inputs[0], every // op.multiplier, output, every)
        case AveragePool2D() | MaxPool2D() | Mean() | Elementwise() | Lookup():
            yield Tie(op.inputs[0], every, output, every)
        case Pad() if op.amounts[-1] == (0, 0):
            yield Tie(op.inputs[0], every, output, every)
        case Add() if before == [after, after]:
            yield from (Tie(tensor, every, output, every) for tensor in op.inputs)
        case Reshape() if after % before[0] == 0:
            yield Tie(op.inputs[0], every % before[0], output, every)
        case Reshape() if before[0] % after == 0:
            more = np.arange(before[0])
            yield Tie(op.inputs[0], more, output, more % after)
        case Concatenation() if op.axis == len(graph.tensors[output].shape) - 1:
            start = 0
            for tensor, size in zip(op.inputs, before, strict=True):
                yield Tie(tensor, np.arange(size), output, start + np.arange(size))
                start += size
        case Concatenation():
            yield from (Tie(tensor, every, output, every) for tensor in op.inputs)


def _residual_ties(graph: Graph, op: Op) -> Iterator[Tie]:
    if isinstance(op, ArrayOp) and isinstance(op.epilogue, ResidualAdd):
        every = np.arange(graph.tensors[op.output].shape[-1])
        yield Tie(op.epilogue.other, every, op.output, every)


def restrict(graph: Graph, kept: Kept) -> None:
    """Remove all channels that are not kept from tensors, weights and biases; changes ``graph``.

    Biases must have been corrected before.
    """
    for op in graph.ops:
        if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
            _restrict_weights(graph, op, kept)
    for key, mask in kept.items():
        tensor = graph.tensors[key]
        tensor.shape = (*tensor.shape[:-1], int(mask.sum()))
        if tensor.data is not None:
            tensor.data = np.ascontiguousarray(tensor.data[..., mask])


def _restrict_weights(
    graph: Graph, op: Conv2D | DepthwiseConv2D | FullyConnected, kept: Kept
) -> None:
    outputs, inputs = kept[op.output], kept[op.inputs[0]]
    if isinstance(op, DepthwiseConv2D):
        weights = op.weights[..., outputs]
    elif isinstance(op, Conv2D):
        weights = op.weights[outputs][..., inputs]
    else:
        of_feature = features(len(inputs), op.weights.shape[1])
        weights = op.weights[outputs]
        if of_feature is not None:
            weights = weights[:, inputs[of_feature]]
    op.weights = np.ascontiguousarray(weights)
    op.bias = op.bias[outputs]
    op.weight_scales = tuple(
        scale for scale, keep in zip(op.weight_scales, outputs, strict=True) if keep
    )
