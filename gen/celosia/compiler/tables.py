# SPDX-License-Identifier: BSD-2-Clause
"""Second passes: tables of epilogues, additions and one-input functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celosia.arithmetic import add_tables
from celosia.arithmetic.fixed_point import clamp_range
from celosia.arithmetic.functions import function_table
from celosia.compiler.context import Context
from celosia.compiler.step import Address, SecondPass
from celosia.errors import ModelError
from celosia.graph.ir import (
    Add,
    ArrayOp,
    Elementwise,
    Lookup,
    Op,
    Quantization,
    ResidualAdd,
    Table,
    TensorId,
)
from celosia.passes.rewrite import result_clamp


def function_values(context: Context, op: Lookup | Elementwise) -> Sequence[int]:
    """What ``op`` makes of the bytes -128..127, its clamp included, as int8.

    The hardware sees uint8 values from 128 on as negative bytes.
    """
    if isinstance(op, Lookup):
        values = np.asarray(op.values)
        return [int(v) for v in np.clip(values, *result_clamp(context.graph, op))]
    source, target = (context.graph.tensors[tensor] for tensor in (op.inputs[0], op.output))
    values = function_table(
        op.function,
        context.quantization(op.inputs[0]),
        context.result_quantization(op),
        alpha=op.alpha,
        input_dtype=source.dtype,
        output_dtype=target.dtype,
    )
    if source.dtype.value == "uint8":
        values = np.roll(values, 128)
    if target.dtype.value == "int8":
        values = np.clip(values, *result_clamp(context.graph, op)).astype(np.int8)
    return [int(v) for v in values.view(np.int8)]


def function(values: Sequence[int]) -> SecondPass:
    """A table of 256 int8 results."""
    found = add_tables.function_tables(values)
    return _second_pass(found, None)


def epilogue(context: Context, op: ArrayOp, before: Sequence[int] | None) -> SecondPass | None:
    """The second pass of ``op``: a function of its result ``before``, if any, then its epilogue.

    The residual's address is that of the other operand's first element.
    """
    match op.epilogue:
        case None:
            return None if before is None else function(before)
        case Table(values=values):
            if before is not None:
                values = tuple(values[v + 128] for v in before)
            return function(values)
        case ResidualAdd() as add:
            other, output = context.quantization(add.other), context.quantization(op.output)
            clamp = clamp_range(add.activation, output)
            found = _addition(context, op, (add.inner, other, output), clamp)
            if before is not None:
                found = found.behind(before)
            return _second_pass(found, _residual(context, op, add.other))


def addition(context: Context, op: Add) -> SecondPass:
    """The second pass that adds input 1 to a copy of input 0."""
    first, second = (context.quantization(tensor) for tensor in op.inputs)
    output = context.result_quantization(op)
    found = _addition(context, op, (first, second, output), result_clamp(context.graph, op))
    return _second_pass(found, _residual(context, op, op.inputs[1]))


def _residual(context: Context, op: Op, other: TensorId) -> Address:
    constant = context.placement.constants.get(op.output)
    return (constant or context.place(other)).address


def _addition(
    context: Context,
    op: Op,
    quantizations: tuple[Quantization, Quantization, Quantization],
    clamp: tuple[int, int],
) -> add_tables.SecondPass:
    """Tables for the array's result, the residual and the sum."""
    found = add_tables.add_tables(*quantizations, clamp)
    if found is None:
        raise ModelError(
            f"{context.describe(op)}: no tables give the addition's exact results in one pass; "
            "split it (celosia.passes.optimize)"
        )
    return found


def _second_pass(found: add_tables.SecondPass, residual: Address | None) -> SecondPass:
    tables = np.concatenate([found.first, found.second]).astype(np.int32)
    return SecondPass(tables, found.shift, *found.clamp, residual)
