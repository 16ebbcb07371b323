# SPDX-License-Identifier: BSD-2-Clause
"""How much each operation computes and stores."""

from __future__ import annotations

import math
from dataclasses import dataclass

from celosia.graph.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph, Op


@dataclass(frozen=True)
class OpStatistics:
    """Figures of one operation.

    ``macs`` are multiply-accumulates, those on padding included, as is usual. ``weight_bytes`` are
    int8 weights, of which ``zero_weights`` are 0; ``bias_bytes`` are 4 for each output channel.
    ``dead_channels`` are output channels whose weights are all 0. ``output_elements`` are those of
    the result.
    """

    index: int
    kind: str
    macs: int = 0
    weight_bytes: int = 0
    zero_weights: int = 0
    bias_bytes: int = 0
    channels: int = 0
    dead_channels: int = 0
    output_elements: int = 0


def op_statistics(graph: Graph, op: Op) -> OpStatistics:
    """The figures of one operation of a graph."""
    result = graph.tensors[op.output].shape
    elements = math.prod(result)
    if not isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
        return OpStatistics(op.index, op.kind, output_elements=elements)
    axis = 2 if isinstance(op, DepthwiseConv2D) else 0
    channels = op.weights.shape[axis]
    others = tuple(other for other in range(op.weights.ndim) if other != axis)
    live = int(op.weights.any(axis=others).sum())
    return OpStatistics(
        op.index,
        op.kind,
        macs=elements * (op.weights.size // channels),
        weight_bytes=op.weights.size,
        zero_weights=int((op.weights == 0).sum()),
        bias_bytes=4 * channels,
        channels=channels,
        dead_channels=channels - live,
        output_elements=elements,
    )


def statistics(graph: Graph) -> list[OpStatistics]:
    """The figures of all operations, in order."""
    return [op_statistics(graph, op) for op in graph.ops]
