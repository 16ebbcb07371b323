# SPDX-License-Identifier: BSD-2-Clause
"""Multiplications that an operation asks for: the measure of utilization."""

from __future__ import annotations

from math import prod

from celosia.graph.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph, Op


def macs(graph: Graph, op: Op) -> int:
    """Multiply-accumulates, those with padding included. Pools and tables count as none."""
    outputs = prod(graph.tensors[op.output].shape)
    if isinstance(op, Conv2D | FullyConnected):
        return outputs * prod(op.weights.shape[1:])
    if isinstance(op, DepthwiseConv2D):
        return outputs * prod(op.weights.shape[:2])
    return 0
