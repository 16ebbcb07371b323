# SPDX-License-Identifier: BSD-2-Clause
"""Put the range of each fused activation into the operation's clamp."""

from __future__ import annotations

from celosia.graph.ir import ArrayOp, Graph
from celosia.passes.rewrite import copied, result_clamp


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph in which ``clamp`` alone tells the range of each operation's own result."""
    result = copied(graph)
    changed = False
    for op in result.ops:
        if isinstance(op, ArrayOp) and (clamp := result_clamp(result, op)) != op.clamp:
            op.clamp = clamp
            changed = True
    return result, changed
