# SPDX-License-Identifier: BSD-2-Clause
"""Move a residual ADD into the store of an operation that computes one of its operands.

The sum is stored in place of that operation's result, which vanishes: one tensor less to hold and
one pass over the data less. Each output is then requantized twice, which costs no time where its
multiply-accumulates take longer. So the operation with more of them takes the addition, and the
other operand, if it is the later one, is computed in front of it.
"""

from __future__ import annotations

import copy

from celosia.arithmetic.fixed_point import clamp_range
from celosia.graph.ir import (
    Activation,
    Add,
    Graph,
    ResidualAdd,
    TensorId,
)
from celosia.graph.liveness import peak_bytes
from celosia.graph.statistics import op_statistics
from celosia.passes.rewrite import (
    copied,
    has_weights,
    is_constant,
    move_in_front,
    position,
    result_clamp,
    sole_consumer,
)


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph with every ADD fused of which an operand is read by it alone and comes from an
    operation with weights and without an epilogue. If both do, the operation with more
    multiply-accumulates takes it, of two with equally many the later one. The earlier one takes
    it only if computing the other operand first does not raise the graph's need of memory."""
    result = copied(graph)
    changed = False
    for add in [op for op in graph.ops if isinstance(op, Add)]:
        fused = _fused(result, add.output)
        if fused is not None:
            result, changed = fused, True
    return result, changed


def _fused(graph: Graph, total: TensorId) -> Graph | None:
    """The graph without the ADD that computes ``total``, if something can take it."""
    add = graph.producer(total)
    if not isinstance(add, Add) or add.epilogue is not None:
        return None
    first, second = add.inputs
    shapes = {graph.tensors[tensor].shape for tensor in (first, second, total)}
    if first == second or len(shapes) > 1 or _activation(graph, add) is None:
        return None
    if is_constant(graph, first) or is_constant(graph, second):
        return None
    earlier, later = sorted(add.inputs, key=lambda tensor: position(graph, tensor))
    unmoved = _into(graph, add, later, earlier)
    moved = _into(graph, add, earlier, later)
    if moved is None or peak_bytes(moved) > peak_bytes(unmoved or graph):
        return unmoved
    # Results of one shape: more multiply-accumulates in all are more for each output.
    return moved if unmoved is None or _macs(graph, earlier) > _macs(graph, later) else unmoved


def _into(graph: Graph, add: Add, operand: TensorId, other: TensorId) -> Graph | None:
    """The graph with ``add`` fused into the operation that computes ``operand``, if possible."""
    taker, inner = graph.producer(operand), graph.tensors[operand]
    activation = _activation(graph, add)
    if not has_weights(taker) or taker.epilogue is not None or inner.quantization is None:
        return None
    if activation is None or sole_consumer(graph, operand) is not add:
        return None
    # A copy of no more than what changes: there may be as many additions as operations.
    before, taker = taker, copy.copy(taker)
    ops = [taker if op is before else op for op in graph.ops if op is not add]
    result = Graph(graph.name, graph.tensors, ops, graph.inputs, graph.outputs)
    # Possible as nothing but the addition reads what the operation computes.
    move_in_front(result, other, taker)
    taker.epilogue = ResidualAdd(
        other,
        inner.quantization,
        activation,
        add.inputs[0] == operand,
        add.index,
        inner.name,
    )
    taker.output = add.output
    return result


def _macs(graph: Graph, tensor: TensorId) -> int:
    """Multiply-accumulates of the operation that computes ``tensor``."""
    op = graph.producer(tensor)
    return 0 if op is None else op_statistics(graph, op).macs


def _activation(graph: Graph, add: Add) -> Activation | None:
    """The activation whose range is what ``add`` clamps to, if there is one."""
    quantization = graph.tensors[add.output].quantization
    if quantization is None:
        return None
    clamp = result_clamp(graph, add)
    candidates: tuple[Activation, ...] = (add.activation, *Activation)
    return next((one for one in candidates if clamp_range(one, quantization) == clamp), None)
