# SPDX-License-Identifier: BSD-2-Clause
"""Move PAD into the padding of the convolutions that read it.

PAD stores its quantization's zero point, and a convolution's padding is that of its input, so
both add nothing to a sum as long as the two zero points are equal.
"""

from __future__ import annotations

from celosia.graph.ir import Conv2D, DepthwiseConv2D, Graph, Op, Pad, Padding
from celosia.passes.rewrite import copied, same_quantization


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph with the PADs of height and width fused; a PAD with other readers stays, too."""
    result = copied(graph)
    changed = False
    for op in result.ops:
        if not isinstance(op, Conv2D | DepthwiseConv2D):
            continue
        while (pad := _fusible(result, result.producer(op.inputs[0]))) is not None:
            (top, bottom), (left, right) = pad.amounts[1:3]
            op.padding = Padding(
                op.padding.top + top,
                op.padding.bottom + bottom,
                op.padding.left + left,
                op.padding.right + right,
            )
            op.inputs = list(pad.inputs)
            changed = True
    return result, changed


def _fusible(graph: Graph, op: Op | None) -> Pad | None:
    if not isinstance(op, Pad) or len(op.amounts) != 4:
        return None
    outer = any(amount != (0, 0) for amount in (op.amounts[0], op.amounts[3]))
    if outer or not same_quantization(graph, op.inputs[0], op.output):
        return None
    return op
