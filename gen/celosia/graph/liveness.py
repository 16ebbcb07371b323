# SPDX-License-Identifier: BSD-2-Clause
"""How much memory an order of operations needs at least: an estimate without a memory plan."""

from __future__ import annotations

import math

from celosia.graph.ir import Add, Graph, Op, TensorId, operands


def peak_bytes(graph: Graph) -> int:
    """Greatest sum of the sizes of tensors that are in use at once, constants not included.

    A tensor is in use from the operation that computes it to the last one that reads it. A sum
    takes the place of an operand that nothing reads later.
    """
    last: dict[TensorId, int] = {}
    for number, op in enumerate(graph.ops):
        last |= dict.fromkeys(operands(op), number)
    last |= dict.fromkeys(graph.outputs, len(graph.ops))
    live = set(graph.inputs)
    peak = 0
    for number, op in enumerate(graph.ops):
        live.add(op.output)
        replaced = max(
            (_bytes(graph, tensor) for tensor in _addends(op) if last[tensor] == number), default=0
        )
        peak = max(peak, sum(_bytes(graph, tensor) for tensor in live) - replaced)
        live = {tensor for tensor in live if last.get(tensor, number) > number}
    return peak


def _addends(op: Op) -> list[TensorId]:
    """Tensors whose place the result can take, as each element is read just before."""
    return op.inputs if isinstance(op, Add) else operands(op)[len(op.inputs) :]


def _bytes(graph: Graph, tensor: TensorId) -> int:
    found = graph.tensors[tensor]
    if found.data is not None:
        return 0
    return math.prod(found.shape) * found.dtype.numpy.itemsize
