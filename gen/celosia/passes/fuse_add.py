# SPDX-License-Identifier: BSD-2-Clause
"""Move a residual ADD into the store of the convolution that computes its later operand.

The sum is stored in place of the convolution's result, which vanishes: one tensor less to hold
and one pass over the data less.
"""

from __future__ import annotations

from celosia.arithmetic.fixed_point import clamp_range
from celosia.graph.ir import Activation, Add, Graph, ResidualAdd
from celosia.passes.rewrite import (
    copied,
    has_weights,
    is_constant,
    position,
    result_clamp,
    sole_consumer,
)


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph with every ADD fused whose later operand is read by it alone and comes from an
    operation with weights and without an epilogue."""
    result = copied(graph)
    changed = False
    for add in [op for op in result.ops if isinstance(op, Add)]:
        if _fuse(result, add):
            result.ops = [op for op in result.ops if op is not add]
            changed = True
    return result, changed


def _fuse(graph: Graph, add: Add) -> bool:
    later = max(add.inputs, key=lambda tensor: position(graph, tensor))
    result_first = add.inputs[0] == later
    other = add.inputs[1] if result_first else add.inputs[0]
    producer, inner = graph.producer(later), graph.tensors[later]
    if not has_weights(producer) or producer.epilogue is not None or add.epilogue is not None:
        return False
    if sole_consumer(graph, later) is not add or is_constant(graph, other) or later == other:
        return False
    activation = _activation(graph, add)
    if activation is None or inner.quantization is None:
        return False
    if not graph.tensors[other].shape == inner.shape == graph.tensors[add.output].shape:
        return False
    producer.epilogue = ResidualAdd(
        other, inner.quantization, activation, result_first, add.index, inner.name
    )
    producer.output = add.output
    return True


def _activation(graph: Graph, add: Add) -> Activation | None:
    """The activation whose range is what ``add`` clamps to, if there is one."""
    quantization = graph.tensors[add.output].quantization
    if quantization is None:
        return None
    clamp = result_clamp(graph, add)
    candidates: tuple[Activation, ...] = (add.activation, *Activation)
    return next((one for one in candidates if clamp_range(one, quantization) == clamp), None)
