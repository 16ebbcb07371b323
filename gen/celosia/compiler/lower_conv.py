# SPDX-License-Identifier: BSD-2-Clause
"""Conv2D and DepthwiseConv2D."""

from __future__ import annotations

import numpy as np

from celosia.compiler import requantize
from celosia.compiler.context import Context
from celosia.compiler.cycles import step_cycles
from celosia.compiler.fit import too_large
from celosia.compiler.lower_chain import Depthwise, chain_steps
from celosia.compiler.lower_matrix import Kernel, diagonal, matrix_step
from celosia.compiler.step import Step
from celosia.compiler.storage import Grid
from celosia.graph.ir import Conv2D, DepthwiseConv2D


def conv_kernel(op: Conv2D, channels: int) -> Kernel:
    """The kernel of a convolution, grouped if its weights have fewer than ``channels``."""
    outputs, width = op.weights.shape[0], op.weights.shape[3]
    per_group = outputs * width // channels
    start = np.arange(outputs) // per_group * width
    return Kernel(op.weights, start, op.stride, op.dilation)


def depthwise_kernel(op: DepthwiseConv2D) -> Kernel:
    weights, start = diagonal(op.weights)
    return Kernel(weights, start // op.multiplier, op.stride, op.dilation)


def lower_conv(context: Context, op: Conv2D) -> list[Step]:
    source, target = _grids(context, op)
    kernel = conv_kernel(op, source.channels)
    found = requantize.of_weighted(context, op)
    step = matrix_step(kernel, source, target, found, context.config, context.limits)
    if step is None:
        raise too_large(context, op)
    return [step]


def lower_depthwise(context: Context, op: DepthwiseConv2D) -> list[Step]:
    source, target = _grids(context, op)
    found = requantize.of_weighted(context, op)
    config, limits = context.config, context.limits
    choices = []
    if op.multiplier == 1:
        kernel = Depthwise(op.weights, op.stride, op.dilation)
        chain = chain_steps(kernel, source, target, found, config, limits)
        choices += [chain] if chain is not None else []
    matrix = matrix_step(depthwise_kernel(op), source, target, found, config, limits)
    choices += [[matrix]] if matrix is not None else []
    if not choices:
        raise too_large(context, op)
    return min(choices, key=lambda steps: sum(step_cycles(step, config) for step in steps))


def _grids(context: Context, op: Conv2D | DepthwiseConv2D) -> tuple[Grid, Grid]:
    """The input from the first tap of the first output on, and the output."""
    source, target = context.place(op.inputs[0]).grid, context.place(op.output).grid
    first = source.part(-op.padding.top, -op.padding.left, source.height, source.width)
    return first, target
