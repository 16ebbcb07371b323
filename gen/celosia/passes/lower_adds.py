# SPDX-License-Identifier: BSD-2-Clause
"""Turn an ADD of a tensor and one constant value, or of a tensor and itself, into a table."""

from __future__ import annotations

import numpy as np

from celosia.arithmetic.add import add_operands
from celosia.graph.ir import Add, Graph, Lookup, result_quantization
from celosia.passes.rewrite import copied


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph with a Lookup for each such Add."""
    result = copied(graph)
    changed = False
    for number, op in enumerate(result.ops):
        if isinstance(op, Add) and (lookup := _lookup(result, op)) is not None:
            result.ops[number] = lookup
            changed = True
    return result, changed


def _lookup(graph: Graph, add: Add) -> Lookup | None:
    first, second = (graph.tensors[tensor] for tensor in add.inputs)
    result = result_quantization(graph, add)
    if first.quantization is None or second.quantization is None or result is None:
        return None
    operands = add_operands(first.quantization, second.quantization, result, add.activation)
    every = np.arange(-128, 128).astype(np.int8)
    if add.inputs[0] == add.inputs[1]:
        values = operands(every, every)
    elif (
        second.data is not None and second.data.size and np.all(second.data == second.data.flat[0])
    ):
        values = operands(every, second.data.flat[0:1].astype(np.int8))
    else:
        return None
    return Lookup(
        add.index,
        add.inputs[:1],
        add.output,
        values=tuple(values.tolist()),
        epilogue=add.epilogue,
        clamp=add.clamp,
    )
