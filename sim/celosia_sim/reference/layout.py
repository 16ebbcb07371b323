# SPDX-License-Identifier: BSD-2-Clause
"""PAD, RESHAPE and its kin, CONCATENATION."""

from __future__ import annotations

import numpy as np

from celosia.graph.ir import Array, Concatenation, Op, Pad, Reshape
from celosia_sim.reference.node import Kernel, Node


def pad(op: Pad, node: Node) -> Array:
    zero_point = node.output_quantization.zero_point
    return np.pad(node.input(), op.amounts, constant_values=zero_point)


def reshape(op: Reshape, node: Node) -> Array:
    return node.input()


def concatenation(op: Concatenation, node: Node) -> Array:
    inputs = [node.input(position) for position in range(len(op.inputs))]
    return np.concatenate(inputs, axis=op.axis)


KERNELS: dict[type[Op], Kernel] = {
    Pad: pad,
    Reshape: reshape,
    Concatenation: concatenation,
}
