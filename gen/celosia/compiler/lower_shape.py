# SPDX-License-Identifier: BSD-2-Clause
"""Reshape, Concatenation and Pad: copies where the operands do not lie in the result already."""

from __future__ import annotations

from celosia.compiler import requantize
from celosia.compiler.borders import fill_steps
from celosia.compiler.context import Context
from celosia.compiler.layout import Region
from celosia.compiler.lower_max import copy_step
from celosia.compiler.shapes import concat_offsets, pad_amounts
from celosia.compiler.step import Step
from celosia.compiler.storage import Grid
from celosia.graph.ir import Concatenation, Pad, Reshape


def _copy(context: Context, source: Grid, target: Grid) -> list[Step]:
    """Nothing if both are the same bytes."""
    if source == target:
        return []
    identity = requantize.identity()
    return [copy_step(source, target, identity, None, context.config, context.limits)]


def lower_reshape(context: Context, op: Reshape) -> list[Step]:
    """The result is another view of the input's bytes, or a copy of them.

    A copy goes by way of a compact one, where elements lie in the order of their indices.
    """
    placement = context.placement
    if op.output in placement.aliases:
        return []
    source, target = context.place(op.inputs[0]), context.place(op.output)
    steps = []
    middle = placement.temporaries.get(op.output)
    if source.layout.shape == target.layout.shape:
        return _copy(context, source.grid, target.grid)
    if middle is not None:
        steps += _copy(context, source.grid, _compact(source.grid, middle.grid))
        return steps + _copy(context, _compact(target.grid, middle.grid), target.grid)
    if source.layout.compact:
        return _copy(context, _compact(target.grid, source.grid), target.grid)
    return _copy(context, source.grid, _compact(source.grid, target.grid))


def _compact(shape: Grid, base: Grid) -> Grid:
    """The compact bytes from the address of ``base`` on, taken as an image of ``shape``."""
    line = shape.width * shape.channels
    return Grid(base.address, shape.height, shape.width, shape.channels, line, shape.channels)


def lower_concatenation(context: Context, op: Concatenation) -> list[Step]:
    steps = []
    target = context.place(op.output).grid
    for tensor, offset in zip(op.inputs, concat_offsets(context.graph, op), strict=True):
        source = context.place(tensor).grid
        steps += _copy(context, source, inner(target, offset, source))
    return steps


def inner(target: Grid, offset: tuple[int, int, int], part: Grid) -> Grid:
    """What an image of the shape of ``part`` covers of ``target`` from (h, w, c) on."""
    h, w, c = offset
    grid = target.part(h, w, part.height, part.width)
    return Grid(
        grid.address + c,
        grid.height,
        grid.width,
        part.channels,
        grid.stride_h,
        grid.stride_w,
    )


def lower_pad(context: Context, op: Pad) -> list[Step]:
    source, target = context.place(op.inputs[0]).grid, context.place(op.output).grid
    (top, bottom), (left, right), (before, after) = pad_amounts(context.graph, op)
    value = context.quantization(op.output).zero_point
    steps: list[Step] = []

    def fill(h: int, w: int, c: int, height: int, width: int, channels: int) -> None:
        """Stores the zero point into a box."""
        if not (height and width and channels):
            return
        part = target.part(h, w, height, width)
        if channels == target.channels and part.stride_w == channels:
            regions = [(0, Region(0, height, part.stride_h, width * channels))]
        elif height <= width:
            lines = range(height)
            one = Region(0, width, part.stride_w, channels)
            regions = [(line * part.stride_h, one) for line in lines]
        else:
            one = Region(0, height, part.stride_h, channels)
            regions = [(column * part.stride_w, one) for column in range(width)]
        for offset, region in regions:
            origin = part.address + c + offset
            steps.extend(fill_steps(origin, region, value, context.limits))

    rows, columns, channels = source.height, source.width, target.channels
    fill(0, 0, 0, top, target.width, channels)
    fill(top + rows, 0, 0, bottom, target.width, channels)
    fill(top, 0, 0, rows, left, channels)
    fill(top, left + columns, 0, rows, right, channels)
    fill(top, left, 0, rows, columns, before)
    fill(top, left, channels - after, rows, columns, after)
    return steps + _copy(context, source, inner(target, (top, left, before), source))
