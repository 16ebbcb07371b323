# SPDX-License-Identifier: BSD-2-Clause
"""Turn a depthwise convolution of a single input channel into a convolution.

All output channels read the same channel, so the two operators compute the same sums, and the
array is better used by the convolution.
"""

from __future__ import annotations

import numpy as np

from celosia.graph.ir import Conv2D, DepthwiseConv2D, Graph
from celosia.passes.rewrite import copied


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph with Conv2D, weights (out, kh, kw, 1), for each such DepthwiseConv2D."""
    result = copied(graph)
    changed = False
    for number, op in enumerate(result.ops):
        if not isinstance(op, DepthwiseConv2D) or result.tensors[op.inputs[0]].shape[-1] != 1:
            continue
        result.ops[number] = Conv2D(
            op.index,
            op.inputs,
            op.output,
            weights=np.ascontiguousarray(np.moveaxis(op.weights, -1, 0)[..., np.newaxis]),
            bias=op.bias,
            weight_scales=op.weight_scales,
            stride=op.stride,
            dilation=op.dilation,
            padding=op.padding,
            activation=op.activation,
            epilogue=op.epilogue,
            clamp=op.clamp,
        )
        changed = True
    return result, changed
