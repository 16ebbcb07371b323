# SPDX-License-Identifier: BSD-2-Clause
"""AveragePool2D, Mean and MaxPool2D.

A window that reaches into the padding is smaller: the output is divided into regions whose windows
have the same size, each with instructions of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from celosia.compiler import requantize
from celosia.compiler.context import Context
from celosia.compiler.cycles import step_cycles
from celosia.compiler.fit import too_large
from celosia.compiler.lower_chain import Depthwise, chain_steps
from celosia.compiler.lower_matrix import Kernel, diagonal, matrix_step
from celosia.compiler.lower_max import max_step
from celosia.compiler.requantize import Requantization
from celosia.compiler.step import Step
from celosia.compiler.storage import Grid
from celosia.graph.ir import AveragePool2D, MaxPool2D, Mean
from celosia.passes.rewrite import result_clamp


@dataclass(frozen=True)
class Span:
    """Outputs ``first`` to ``first + count - 1`` along one axis: windows of ``window`` elements,
    the first one from input ``start`` on."""

    first: int
    count: int
    start: int
    window: int


def spans(size: int, outputs: int, window: int, stride: int, before: int) -> list[Span]:
    """The outputs of an axis in runs of equal windows, ``before`` elements of padding ahead."""
    found: list[Span] = []
    for output in range(outputs):
        begin = output * stride - before
        start, stop = max(begin, 0), min(begin + window, size)
        last = found[-1] if found else None
        if (
            last is not None
            and last.window == stop - start
            and last.start + last.count * stride == start
        ):
            found[-1] = Span(last.first, last.count + 1, last.start, last.window)
        else:
            found.append(Span(output, 1, start, stop - start))
    return found


def _regions(context: Context, op: AveragePool2D | MaxPool2D) -> Iterator[tuple[Span, Span]]:
    source, target = context.place(op.inputs[0]).layout, context.place(op.output).layout
    rows = spans(source.height, target.height, op.window[0], op.stride[0], op.padding.top)
    columns = spans(source.width, target.width, op.window[1], op.stride[1], op.padding.left)
    for row in rows:
        for column in columns:
            yield row, column


def _grids(
    context: Context, op: AveragePool2D | MaxPool2D, row: Span, column: Span
) -> tuple[Grid, Grid]:
    source, target = context.place(op.inputs[0]).grid, context.place(op.output).grid
    return (
        source.part(row.start, column.start, source.height, source.width),
        target.part(row.first, column.first, row.count, column.count),
    )


def lower_max_pool(context: Context, op: MaxPool2D) -> list[Step]:
    found = requantize.identity(*result_clamp(context.graph, op))
    steps = []
    for row, column in _regions(context, op):
        step = max_step(
            (row.window, column.window),
            op.stride,
            *_grids(context, op, row, column),
            found,
            context.config,
            context.limits,
        )
        if step is None:
            raise too_large(context, op)
        steps.append(step)
    return steps


def lower_average_pool(context: Context, op: AveragePool2D) -> list[Step]:
    steps: list[Step] = []
    for row, column in _regions(context, op):
        count = row.window * column.window
        found = requantize.of_average(context, op, count)
        grids = _grids(context, op, row, column)
        steps += _sums(context, op, (row.window, column.window), op.stride, *grids, found)
    return steps


def lower_mean(context: Context, op: Mean) -> list[Step]:
    source, target = context.place(op.inputs[0]).grid, context.place(op.output).grid
    target = target.part(0, 0, 1, 1)
    found = requantize.of_mean(context, op, source.height * source.width)
    window = source.height, source.width
    return _sums(context, op, window, (1, 1), source, target, found)


def _sums(
    context: Context,
    op: AveragePool2D | Mean,
    window: tuple[int, int],
    stride: tuple[int, int],
    source: Grid,
    target: Grid,
    found: Requantization,
) -> list[Step]:
    config, limits = context.config, context.limits
    kernel = Depthwise(np.ones((*window, 1), dtype=np.int8), stride)
    chain = chain_steps(kernel, source, target, found, config, limits)
    choices = [chain] if chain is not None else []
    if chain is None or target.channels <= config.output_channels:
        ones, start = diagonal(np.ones((*window, target.channels), dtype=np.int8))
        dense = Kernel(ones, start, stride)
        everywhere = found.repeated(target.channels)
        step = matrix_step(dense, source, target, everywhere, config, limits)
        choices += [[step]] if step is not None else []
    if not choices:
        raise too_large(context, op)
    return min(choices, key=lambda steps: sum(step_cycles(step, config) for step in steps))
