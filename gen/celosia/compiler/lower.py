# SPDX-License-Identifier: BSD-2-Clause
"""Lowering: each operation becomes steps."""

from __future__ import annotations

from celosia.compiler.context import Context
from celosia.compiler.lower_conv import lower_conv
from celosia.compiler.step import Step
from celosia.errors import ModelError
from celosia.graph.ir import Conv2D, Op


def lower(context: Context, op: Op, number: int) -> list[Step]:
    """The instructions of ``op``, which is operation ``number`` of the graph.

    Raises:
        FitError: the operation exceeds what the configuration can do.
        ModelError: it cannot run on the accelerator.
    """
    match op:
        case Conv2D():
            return lower_conv(context, op, number)
    raise ModelError(f"{context.describe(op)} cannot run on the accelerator")
