# SPDX-License-Identifier: BSD-2-Clause
"""Messages about what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from celosia.compiler.context import Context, describe
from celosia.compiler.memory import MemoryPlan, busiest
from celosia.compiler.program import Constants
from celosia.compiler.step import ADDRESS_SPACE, Step
from celosia.compiler.streams import Stream
from celosia.errors import FitError
from celosia.graph.ir import Graph, Op, operands
from celosia_hw.isa import Source


def check_tensors(graph: Graph) -> None:
    """Raises FitError for an activation that no scratchpad holds, before anything is computed."""
    for op in graph.ops:
        for tensor in (*operands(op), op.output):
            size = prod(graph.tensors[tensor].shape)
            if size > ADDRESS_SPACE:
                raise FitError(
                    f"{describe(graph, op)}: tensor {graph.tensors[tensor].name!r} has {size} "
                    f"bytes, no accelerator's scratchpad has more than {ADDRESS_SPACE}; use "
                    "smaller images"
                )


def check_weights(context: Context, steps: Sequence[Step]) -> None:
    """Raises FitError for a weight that the accelerator's multipliers do not take."""
    least = context.config.least_weight
    for step in steps:
        if step.weights is not None and (step.weights < least).any():
            raise FitError(
                f"{context.describe(context.graph.ops[step.op])}: has a weight of "
                f"{step.weights.min()}, but multipliers that do two products at once take none "
                f"below {least}"
            )


def too_large(context: Context, op: Op) -> FitError:
    """For a kernel or a window that the loops of an instruction cannot count."""
    return FitError(
        f"{context.describe(op)}: its kernel or window has more elements than an instruction can "
        "count; split the operation in the model"
    )


def too_little_memory(
    context: Context,
    memory: MemoryPlan,
    constants: Constants,
    weights: Stream,
    parameters: Stream,
) -> FitError:
    """For a scratchpad that cannot hold the activations beside what must always be there."""
    size = context.config.scratch_bytes
    fixed = size - constants.start
    variable = [s for s in context.placement.storages if s.contents is None]
    position, _ = busiest(variable)
    ops = context.graph.ops
    where = context.describe(ops[min(max(position, 0), len(ops) - 1)])
    parts = [f"{memory.peak} bytes of activations at {where}"]
    if parameters.source == Source.SCRATCH:
        parts.append(f"{len(parameters.data)} bytes of parameters")
    if weights.source == Source.SCRATCH:
        parts.append(f"{len(weights.data)} bytes of weights")
    rest = fixed - sum(len(s.data) for s in (weights, parameters) if s.source == Source.SCRATCH)
    parts.append(f"{rest} bytes of program and tables")
    missing = memory.peak + fixed - size
    return FitError(
        f"{context.graph.name} does not fit: the scratchpad of {size} bytes is {missing} bytes "
        f"short; needed are {', '.join(parts)}"
    )
