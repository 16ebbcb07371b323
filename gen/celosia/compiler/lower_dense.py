# SPDX-License-Identifier: BSD-2-Clause
"""FullyConnected: a kernel as large as the part of the input that a row of it takes."""

from __future__ import annotations

import numpy as np

from celosia.compiler import requantize
from celosia.compiler.context import Context
from celosia.compiler.fit import too_large
from celosia.compiler.layout import Layout
from celosia.compiler.lower_matrix import Kernel, matrix_step
from celosia.compiler.step import Step
from celosia.compiler.storage import Grid
from celosia.graph.ir import FullyConnected


def dense_shape(shape: tuple[int, int, int], inputs: int) -> tuple[int, int, int] | None:
    """Height, width and channels of what a row of ``inputs`` elements covers of an image.

    None if rows begin within a line or a pixel, so that the image must be compact.
    """
    height, width, channels = shape
    if inputs == channels:
        return 1, 1, channels
    if inputs == width * channels:
        return 1, width, channels
    if inputs == height * width * channels:
        return height, width, channels
    return None


def dense_kernel(op: FullyConnected, shape: tuple[int, int, int]) -> Kernel:
    outputs = op.weights.shape[0]
    start = np.zeros(outputs, dtype=np.int64)
    return Kernel(op.weights.reshape(outputs, *shape), start)


def lower_fully_connected(context: Context, op: FullyConnected) -> list[Step]:
    place, out = context.place(op.inputs[0]), context.place(op.output).grid
    inputs = op.weights.shape[1]
    source = _rows(place.layout, place.grid, inputs)
    shape = dense_shape(place.layout.shape, inputs) or (1, 1, inputs)
    target = out
    if (out.height, out.width) != (source.height, source.width):
        # The output's rows lie along its width, those of the input along lines and pixels.
        assert out.height == 1
        line = source.width * out.stride_w
        target = Grid(out.address, source.height, source.width, out.channels, line, out.stride_w)
    found = requantize.of_weighted(context, op)
    kernel = dense_kernel(op, shape)
    step = matrix_step(kernel, source, target, found, context.config, context.limits)
    if step is None:
        raise too_large(context, op)
    return [step]


def _rows(layout: Layout, grid: Grid, inputs: int) -> Grid:
    """The beginning of each row, as pixels; strides between pixels are kept for the kernel."""
    height, width, channels = layout.shape
    if inputs == channels:
        return grid
    if inputs == width * channels:
        return grid.part(0, 0, height, 1)
    if inputs == height * width * channels:
        return grid.part(0, 0, 1, 1)
    rows = height * width * channels // inputs
    return Grid(grid.address, 1, rows, inputs, inputs, inputs)
