# SPDX-License-Identifier: BSD-2-Clause
"""Split an ADD that no tables of the second pass give into ADDs that they do.

The reference rounds halves away from the output's zero point, after roundings of its own. Where
the scales are ratios of small integers many sums are such halves, and tables that are right for
those above the zero point can be wrong below. Then two ADDs compute the sum for one side each, and
a third one adds both. Were there no tables for a side, it would be divided once more; there always
are for two levels, where all that counts is on which side of one bound the sum of the scaled
operands lies.
"""

from __future__ import annotations

from celosia.arithmetic.add_tables import add_tables
from celosia.graph.ir import Add, Graph, Op
from celosia.passes.parts import PartOp, in_parts
from celosia.passes.rewrite import copied, result_clamp


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph in which there are tables for each Add."""
    result = copied(graph)
    ops: list[Op] = []
    changed = False
    for op in result.ops:
        parts: list[Op] = _split(result, op) if isinstance(op, Add) else [op]
        changed |= len(parts) > 1
        ops += parts
    result.ops = ops
    return result, changed


def _split(graph: Graph, add: Add) -> list[Op]:
    first, second, output = (graph.tensors[t].quantization for t in (*add.inputs, add.output))
    if add.epilogue is not None or first is None or second is None or output is None:
        return [add]
    quantizations = first, second, output
    if add_tables(*quantizations, result_clamp(graph, add)) is not None:
        return [add]

    def has_tables(part: PartOp) -> bool:
        return add_tables(*quantizations, part.clamp) is not None

    return in_parts(graph, add, output, has_tables)
