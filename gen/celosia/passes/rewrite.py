# SPDX-License-Identifier: BSD-2-Clause
"""What passes share: copies that may be changed, and questions about a graph."""

from __future__ import annotations

import copy
from typing import TypeGuard

from celosia.arithmetic.fixed_point import clamp_range
from celosia.graph.ir import (
    Activation,
    ArrayOp,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Op,
    TensorId,
    operands,
    reads,
    result_quantization,
)


def copied(graph: Graph) -> Graph:
    """A copy whose containers, tensors and operations may be changed. Arrays are shared: a pass
    puts new ones in their place and never writes into them."""

    def copied_op(op: Op) -> Op:
        new = copy.copy(op)
        new.inputs = list(op.inputs)
        return new

    return Graph(
        graph.name,
        {key: copy.copy(tensor) for key, tensor in graph.tensors.items()},
        [copied_op(op) for op in graph.ops],
        list(graph.inputs),
        list(graph.outputs),
    )


def sole_consumer(graph: Graph, tensor: TensorId) -> Op | None:
    """The only operation that reads ``tensor``, if it is no output of the graph."""
    if tensor in graph.outputs:
        return None
    found = None
    for op in graph.ops:
        if reads(op, tensor):
            if found is not None:
                return None
            found = op
    return found


def is_constant(graph: Graph, tensor: TensorId) -> bool:
    return graph.tensors[tensor].data is not None


def zero_point(graph: Graph, tensor: TensorId) -> int:
    """Zero point of a quantized tensor."""
    quantization = graph.tensors[tensor].quantization
    if quantization is None:
        raise ValueError(f"tensor {graph.tensors[tensor].name!r} is not quantized")
    return quantization.zero_point


def same_quantization(graph: Graph, first: TensorId, second: TensorId) -> bool:
    return graph.tensors[first].quantization == graph.tensors[second].quantization


def has_weights(op: Op | None) -> TypeGuard[Conv2D | DepthwiseConv2D | FullyConnected]:
    """Whether the operation multiplies by weights."""
    return isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected)


def position(graph: Graph, tensor: TensorId) -> int:
    """Index of the operation that computes ``tensor``; -1 for an input or a constant."""
    return next((i for i, op in enumerate(graph.ops) if op.output == tensor), -1)


def move_in_front(graph: Graph, tensor: TensorId, op: Op) -> None:
    """Let ``tensor`` be computed in front of ``op``: the operation that computes it, and those
    behind ``op`` that it depends on, move there in the order they have; changes ``graph``.

    Raises:
        ValueError: ``tensor`` depends on the result of ``op``.
    """
    start = position(graph, op.output)
    needed = {tensor}
    moved: list[Op] = []
    left: list[Op] = []
    for later in reversed(graph.ops[start + 1 :]):
        if later.output in needed:
            needed.update(operands(later))
            moved.insert(0, later)
        else:
            left.insert(0, later)
    if op.output in needed:
        raise ValueError(f"tensor {graph.tensors[tensor].name!r} depends on operation {op.index}")
    graph.ops = [*graph.ops[:start], *moved, op, *left]


def prune_tensors(graph: Graph) -> None:
    """Drop tensors that nothing refers to any more; changes ``graph``."""
    used = {*graph.inputs, *graph.outputs}
    for op in graph.ops:
        used.update(operands(op), [op.output])
    graph.tensors = {key: tensor for key, tensor in graph.tensors.items() if key in used}


def result_clamp(graph: Graph, op: ArrayOp) -> tuple[int, int]:
    """Least and greatest int8 that the operation's own result can be, by its clamp and its fused
    activation."""
    low, high = op.clamp
    quantization = result_quantization(graph, op)
    activation: Activation = getattr(op, "activation", Activation.NONE)
    if activation is not Activation.NONE and quantization is not None:
        least, greatest = clamp_range(activation, quantization)
        low, high = max(low, least), min(high, greatest)
    return low, high
