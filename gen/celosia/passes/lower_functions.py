# SPDX-License-Identifier: BSD-2-Clause
"""Turn functions of one int8 into tables."""

from __future__ import annotations

from celosia.arithmetic.functions import function_table
from celosia.graph.ir import DType, Elementwise, Graph, Lookup, result_quantization
from celosia.passes.rewrite import copied


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph with a Lookup for each Elementwise from int8 to int8."""
    result = copied(graph)
    changed = False
    for number, op in enumerate(result.ops):
        if not isinstance(op, Elementwise):
            continue
        source, target = result.tensors[op.inputs[0]], result.tensors[op.output]
        if source.dtype is not DType.INT8 or target.dtype is not DType.INT8:
            continue
        own = result_quantization(result, op)
        if source.quantization is None or own is None:
            continue
        values = function_table(op.function, source.quantization, own, alpha=op.alpha)
        result.ops[number] = Lookup(
            op.index,
            op.inputs,
            op.output,
            values=tuple(values.tolist()),
            epilogue=op.epilogue,
            clamp=op.clamp,
        )
        changed = True
    return result, changed
