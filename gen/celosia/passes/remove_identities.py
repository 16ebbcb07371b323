# SPDX-License-Identifier: BSD-2-Clause
"""Remove Lookups that change no reachable value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from celosia.graph.ir import ArrayOp, Graph, Lookup, Op, Reshape, ResidualAdd, TensorId
from celosia.passes.fuse_table import table_of
from celosia.passes.ranges import Ranges, tensor_ranges
from celosia.passes.rewrite import copied, same_quantization


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph in which readers of such a Lookup read its input.

    One that computes an output of the graph becomes a Reshape to the same shape.
    """
    result = copied(graph)
    ranges = tensor_ranges(result)
    changed = False
    # What each removed Lookup's output is now; its readers come behind it.
    instead: dict[TensorId, TensorId] = {}
    for number, op in enumerate(result.ops):
        _read_instead(op, instead)
        if not isinstance(op, Lookup) or not _is_identity(result, op, ranges):
            continue
        if op.output in result.outputs:
            result.ops[number] = Reshape(op.index, op.inputs, op.output)
        else:
            instead[op.output] = op.inputs[0]
        changed = True
    return result, changed


def _read_instead(op: Op, instead: dict[TensorId, TensorId]) -> None:
    op.inputs = [instead.get(tensor, tensor) for tensor in op.inputs]
    if isinstance(op, ArrayOp) and isinstance(op.epilogue, ResidualAdd):
        other = op.epilogue.other
        if other in instead:
            op.epilogue = replace(op.epilogue, other=instead[other])


def _is_identity(graph: Graph, op: Lookup, ranges: Ranges) -> bool:
    source = op.inputs[0]
    if isinstance(op.epilogue, ResidualAdd) or source not in ranges:
        return False
    if not same_quantization(graph, source, op.output):
        return False
    low, high = int(ranges[source].low.min()), int(ranges[source].high.max())
    values = np.array(table_of(op)[low + 128 : high + 129])
    return bool(np.array_equal(values, np.arange(low, high + 1)))
