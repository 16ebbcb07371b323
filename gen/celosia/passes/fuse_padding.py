# SPDX-License-Identifier: BSD-2-Clause
"""Move PAD into the padding of the convolutions and maximum pools that read it.

PAD stores its quantization's zero point. That is what a convolution's padding counts as, too: it
adds nothing to a sum. A maximum pool's padding counts as nothing at all, which is the same as
the zero point if no element can be less and no window is without one.
"""

from __future__ import annotations

from celosia.graph.ir import Conv2D, DepthwiseConv2D, Graph, MaxPool2D, Op, Pad, Padding
from celosia.passes.ranges import Ranges, tensor_ranges
from celosia.passes.rewrite import copied, zero_point


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph with the PADs of height and width fused; a PAD with other readers stays, too."""
    result = copied(graph)
    ranges = tensor_ranges(result)
    changed = False
    for op in result.ops:
        if not isinstance(op, Conv2D | DepthwiseConv2D | MaxPool2D):
            continue
        while (pad := _image_pad(result.producer(op.inputs[0]))) is not None:
            padding = _sum(op.padding, pad)
            if isinstance(op, MaxPool2D) and not _is_least(result, op, pad, padding, ranges):
                break
            op.padding, op.inputs = padding, list(pad.inputs)
            changed = True
    return result, changed


def _image_pad(op: Op | None) -> Pad | None:
    """``op`` if it is a PAD of height and width alone."""
    if not isinstance(op, Pad) or len(op.amounts) != 4:
        return None
    return op if op.amounts[0] == op.amounts[3] == (0, 0) else None


def _sum(padding: Padding, pad: Pad) -> Padding:
    (top, bottom), (left, right) = pad.amounts[1:3]
    return Padding(
        padding.top + top, padding.bottom + bottom, padding.left + left, padding.right + right
    )


def _is_least(graph: Graph, op: MaxPool2D, pad: Pad, padding: Padding, ranges: Ranges) -> bool:
    """Whether every window has an element that is no less than the padding."""
    height, width = op.window
    whole = max(padding.top, padding.bottom) >= height or max(padding.left, padding.right) >= width
    source = ranges[pad.inputs[0]]
    return not whole and int(source.low.min()) >= zero_point(graph, pad.output)
