# SPDX-License-Identifier: BSD-2-Clause
"""Lowering: each operation becomes steps."""

from __future__ import annotations

from dataclasses import replace

from celosia.compiler import tables
from celosia.compiler.context import Context
from celosia.compiler.lower_conv import lower_conv, lower_depthwise
from celosia.compiler.lower_dense import lower_fully_connected
from celosia.compiler.lower_elementwise import lower_add, lower_lookup
from celosia.compiler.lower_pool import lower_average_pool, lower_max_pool, lower_mean
from celosia.compiler.lower_shape import lower_concatenation, lower_pad, lower_reshape
from celosia.compiler.split import split
from celosia.compiler.step import Address, SecondPass, Step
from celosia.errors import ModelError
from celosia.graph.ir import (
    Add,
    ArrayOp,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Elementwise,
    FullyConnected,
    Lookup,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Reshape,
)


def lower(context: Context, op: Op, number: int) -> list[Step]:
    """The instructions of ``op``, which is operation ``number`` of the graph.

    Raises:
        FitError: the operation exceeds what the configuration can do.
        ModelError: it cannot run on the accelerator.
    """
    steps = _lower(context, op)
    if isinstance(op, ArrayOp) and not isinstance(op, Add | Lookup | Elementwise):
        second = tables.epilogue(context, op, None)
        for step in steps:
            step.second = second and second.behind(step.low, step.high)
    origin = context.place(op.output).address
    for step in steps:
        step.op = number
        if step.second is not None and step.second.residual is not None:
            step.second = _moved(step.second, step.second.residual, step.output, origin)
    return [part for step in steps for part in split(step, context.config, context.limits)]


def _moved(second: SecondPass, residual: Address, output: Address, origin: Address) -> SecondPass:
    """The residual's address for a step that begins at ``output`` instead of ``origin``."""
    return replace(second, residual=residual + (output.offset - origin.offset))


def _lower(context: Context, op: Op) -> list[Step]:
    match op:
        case Conv2D():
            return lower_conv(context, op)
        case DepthwiseConv2D():
            return lower_depthwise(context, op)
        case FullyConnected():
            return lower_fully_connected(context, op)
        case AveragePool2D():
            return lower_average_pool(context, op)
        case Mean():
            return lower_mean(context, op)
        case MaxPool2D():
            return lower_max_pool(context, op)
        case Add():
            return lower_add(context, op)
        case Lookup() | Elementwise():
            return lower_lookup(context, op)
        case Reshape():
            return lower_reshape(context, op)
        case Concatenation():
            return lower_concatenation(context, op)
        case Pad():
            return lower_pad(context, op)
    raise ModelError(f"{context.describe(op)} cannot run on the accelerator")
