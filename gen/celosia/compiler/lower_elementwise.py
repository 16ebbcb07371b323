# SPDX-License-Identifier: BSD-2-Clause
"""Add, Lookup and Elementwise: copies whose second pass does the work."""

from __future__ import annotations

from celosia.compiler import requantize, tables
from celosia.compiler.context import Context
from celosia.compiler.lower_max import copy_step
from celosia.compiler.step import Step
from celosia.errors import ModelError
from celosia.graph.ir import Add, Elementwise, Lookup


def lower_lookup(context: Context, op: Lookup | Elementwise) -> list[Step]:
    second = tables.epilogue(context, op, tables.function_values(context, op))
    source, target = context.place(op.inputs[0]).grid, context.place(op.output).grid
    identity = requantize.identity()
    return [copy_step(source, target, identity, second, context.config, context.limits)]


def lower_add(context: Context, op: Add) -> list[Step]:
    if op.epilogue is not None:
        raise ModelError(f"{context.describe(op)}: an addition can have no epilogue")
    second = tables.addition(context, op)
    source, target = context.place(op.inputs[0]).grid, context.place(op.output).grid
    identity = requantize.identity()
    return [copy_step(source, target, identity, second, context.config, context.limits)]
