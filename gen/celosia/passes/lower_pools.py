# SPDX-License-Identifier: BSD-2-Clause
"""Turn pools and means over single elements into tables."""

from __future__ import annotations

import numpy as np

from celosia.arithmetic.fixed_point import clamp_range
from celosia.arithmetic.pool import mean
from celosia.graph.ir import (
    AveragePool2D,
    Graph,
    Lookup,
    MaxPool2D,
    Mean,
    Op,
    Reshape,
    ResidualAdd,
    Tensor,
    result_quantization,
)
from celosia.passes.rewrite import copied

_EVERY = np.arange(-128, 128, dtype=np.int64)


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph with a Lookup, and a Reshape where axes vanish, for each such operation."""
    result = copied(graph)
    changed = False
    ops: list[Op] = []
    for op in result.ops:
        values = _values(result, op) if isinstance(op, AveragePool2D | MaxPool2D | Mean) else None
        if values is None:
            ops.append(op)
            continue
        assert isinstance(op, AveragePool2D | MaxPool2D | Mean)
        lookup = Lookup(
            op.index, op.inputs, op.output, values=values, epilogue=op.epilogue, clamp=op.clamp
        )
        ops += _with_shape(result, lookup)
        changed = True
    result.ops = ops
    return result, changed


def _values(graph: Graph, op: AveragePool2D | MaxPool2D | Mean) -> tuple[int, ...] | None:
    """The function of one element that ``op`` is, or None."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.output]
    result = result_quantization(graph, op)
    if source.quantization is None or result is None or isinstance(op.epilogue, ResidualAdd):
        return None
    if isinstance(op, Mean):
        if source.shape[1:3] != (1, 1):
            return None
        return tuple(mean(_EVERY, 1, source.quantization, result).tolist())
    single = op.window == (1, 1) or source.shape[1:3] == (1, 1)
    if not single or source.shape != output.shape:
        return None
    clamp = clamp_range(op.activation, result)
    return tuple(np.clip(_EVERY, *clamp).tolist())


def _with_shape(graph: Graph, lookup: Lookup) -> list[Lookup | Reshape]:
    """``lookup``, followed by a Reshape if its output has another shape than its input."""
    source, output = graph.tensors[lookup.inputs[0]], graph.tensors[lookup.output]
    if source.shape == output.shape:
        return [lookup]
    between = max(graph.tensors) + 1
    graph.tensors[between] = Tensor(
        f"{output.name} (before reshape)", source.shape, output.dtype, output.quantization
    )
    reshape = Reshape(lookup.index, [between], lookup.output)
    lookup.output = between
    return [lookup, reshape]
