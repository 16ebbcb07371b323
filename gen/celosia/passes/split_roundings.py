# SPDX-License-Identifier: BSD-2-Clause
"""Split an operation with weights that the hardware cannot requantize in one rounding.

Accumulators of far more bits than an output may need a multiplier of more bits than there are, or a
tie too small for the hardware, to step exactly where the reference does. Then several copies of the
operation compute a part of the outputs' range each: they step less often, which leaves their
multipliers more choice. For two levels there always is one.
"""

from __future__ import annotations

from dataclasses import replace

from celosia.graph.ir import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Lookup,
    Op,
    Table,
    result_quantization,
)
from celosia.passes.accumulators import Interval, WeightedOp
from celosia.passes.parts import PartOp, in_parts
from celosia.passes.ranges import accumulator_bounds, tensor_ranges
from celosia.passes.requantization import is_defined, single_rounding
from celosia.passes.rewrite import copied


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph in which each operation with weights can be requantized, unless the reference's
    32 bits can overflow in it."""
    result = copied(graph)
    ranges = tensor_ranges(result)
    ops: list[Op] = []
    changed = False
    for op in result.ops:
        parts: list[Op] = [op]
        if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
            parts = _split(result, op, accumulator_bounds(result, op, ranges))
        changed |= len(parts) > 1
        ops += parts
    result.ops = ops
    return result, changed


def _split(graph: Graph, op: WeightedOp, accumulators: Interval) -> list[Op]:
    own = result_quantization(graph, op)
    if own is None or single_rounding(graph, op, accumulators) is not None:
        return [op]
    if not is_defined(graph, op, accumulators).all():
        return [op]

    def possible(part: PartOp) -> bool:
        assert not isinstance(part, Add)
        return single_rounding(graph, part, accumulators) is not None

    if not isinstance(op.epilogue, Table):
        return in_parts(graph, op, own, possible)
    before = max(graph.tensors) + 1
    name = op.epilogue.inner_name
    graph.tensors[before] = replace(graph.tensors[op.output], name=name, quantization=own)
    lookup = Lookup(op.index, [before], op.output, values=op.epilogue.values)
    bare = replace(op, output=before, epilogue=None)
    return [*in_parts(graph, bare, own, possible), lookup]
