# SPDX-License-Identifier: BSD-2-Clause
"""Remove operations whose results nothing reads, and tensors that nothing refers to."""

from __future__ import annotations

from celosia.graph.ir import Graph, operands
from celosia.passes.rewrite import copied, prune_tensors


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph without unused operations and tensors. Inputs and outputs of the graph stay."""
    needed = set(graph.outputs)
    for op in reversed(graph.ops):
        if op.output in needed:
            needed.update(operands(op))
    result = copied(graph)
    result.ops = [op for op in result.ops if op.output in needed]
    prune_tensors(result)
    return result, len(result.ops) + len(result.tensors) < len(graph.ops) + len(graph.tensors)
