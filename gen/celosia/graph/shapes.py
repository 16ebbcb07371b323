# SPDX-License-Identifier: BSD-2-Clause
"""Shapes of results, as TensorFlow Lite infers them.

Formulas: ``ComputeOutSize`` and ``ComputePaddingHeightWidth`` of TensorFlow Lite's
``kernels/padding.h``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import singledispatch
from typing import TypeAlias

from celosia.graph.ir import (
    Add,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Padding,
    Reshape,
)

Shape: TypeAlias = tuple[int, ...]


class ShapeError(ValueError):
    """Operands whose shapes do not go together, or a result that cannot have its shape."""


# --- windows -------------------------------------------------------------------------------------


def reach(window: int, dilation: int) -> int:
    """Rows (or columns) from a window's first to its last, both counted."""
    return (window - 1) * dilation + 1


def same_padding(size: int, window: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """What SAME adds before and after ``size`` rows; the odd one goes after."""
    positions = -(-size // stride)
    total = max((positions - 1) * stride + reach(window, dilation) - size, 0)
    return total // 2, total - total // 2


def window_positions(
    size: int, window: int, stride: int, dilation: int, before: int, after: int
) -> int:
    """Positions of a window on ``size`` rows with padding; raises ShapeError if there is none."""
    room = size + before + after - reach(window, dilation)
    if room < 0:
        raise ShapeError(f"a window over {reach(window, dilation)} does not fit into {size}")
    return room // stride + 1


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 4 or shape[0] != 1:
        raise ShapeError(f"an image must be [1, height, width, channels], not {list(shape)}")
    return shape[1], shape[2], shape[3]


def _windowed(
    shape: Shape,
    window: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: Padding,
) -> tuple[int, int]:
    height, width, _ = _image(shape)
    rows = window_positions(height, window[0], stride[0], dilation[0], padding.top, padding.bottom)
    columns = window_positions(
        width, window[1], stride[1], dilation[1], padding.left, padding.right
    )
    return rows, columns


# --- broadcasting --------------------------------------------------------------------------------


def broadcasts_to(shape: Shape, target: Shape) -> bool:
    """Whether a tensor of ``shape``, aligned at the last axis, repeats to fill ``target``."""
    if len(shape) > len(target):
        return False
    tail = target[len(target) - len(shape) :]
    return all(size in (1, full) for size, full in zip(shape, tail, strict=True))


# --- operations ----------------------------------------------------------------------------------


@singledispatch
def result_shape(op: Op, inputs: Sequence[Shape], declared: Shape) -> Shape:
    """The shape of ``op``'s result for operands of shapes ``inputs`` (in the order of op.inputs).

    ``declared`` is the shape that the result is said to have; it is consulted only where the
    operands leave a choice (a Reshape's shape, whether a FullyConnected keeps leading axes).
    Raises ShapeError where the operands' shapes do not go together.

    Without a rule of its own an operation works element by element.
    """
    return inputs[0]


@result_shape.register
def _(op: Conv2D, inputs: Sequence[Shape], declared: Shape) -> Shape:
    channels, height, width, depth = op.weights.shape
    if _image(inputs[0])[2] != depth:
        raise ShapeError(f"weights for {depth} input channels do not go with {list(inputs[0])}")
    rows, columns = _windowed(inputs[0], (height, width), op.stride, op.dilation, op.padding)
    return 1, rows, columns, channels


@result_shape.register
def _(op: DepthwiseConv2D, inputs: Sequence[Shape], declared: Shape) -> Shape:
    height, width, channels = op.weights.shape
    if _image(inputs[0])[2] * op.multiplier != channels:
        raise ShapeError(
            f"weights for {channels} output channels do not go with {list(inputs[0])} and "
            f"depth multiplier {op.multiplier}"
        )
    rows, columns = _windowed(inputs[0], (height, width), op.stride, op.dilation, op.padding)
    return 1, rows, columns, channels


@result_shape.register
def _(op: FullyConnected, inputs: Sequence[Shape], declared: Shape) -> Shape:
    channels, depth = op.weights.shape
    count = math.prod(inputs[0])
    if count % depth:
        raise ShapeError(f"{list(inputs[0])} does not divide into rows of {depth}")
    if inputs[0][-1] == depth and declared == (*inputs[0][:-1], channels):
        return declared
    return count // depth, channels


@result_shape.register(AveragePool2D)
@result_shape.register(MaxPool2D)
def _(op: AveragePool2D | MaxPool2D, inputs: Sequence[Shape], declared: Shape) -> Shape:
    rows, columns = _windowed(inputs[0], op.window, op.stride, (1, 1), op.padding)
    return 1, rows, columns, inputs[0][3]


@result_shape.register
def _(op: Mean, inputs: Sequence[Shape], declared: Shape) -> Shape:
    channels = _image(inputs[0])[2]
    return (1, 1, 1, channels) if op.keep_dims else (1, channels)


@result_shape.register
def _(op: Add, inputs: Sequence[Shape], declared: Shape) -> Shape:
    if not broadcasts_to(inputs[1], inputs[0]):
        raise ShapeError(f"{list(inputs[1])} does not broadcast to {list(inputs[0])}")
    return inputs[0]


@result_shape.register
def _(op: Pad, inputs: Sequence[Shape], declared: Shape) -> Shape:
    if len(op.amounts) != len(inputs[0]):
        raise ShapeError(f"{len(op.amounts)} amounts of padding do not go with {list(inputs[0])}")
    return tuple(
        size + before + after for size, (before, after) in zip(inputs[0], op.amounts, strict=True)
    )


@result_shape.register
def _(op: Reshape, inputs: Sequence[Shape], declared: Shape) -> Shape:
    if math.prod(inputs[0]) != math.prod(declared):
        raise ShapeError(f"{list(inputs[0])} and {list(declared)} differ in elements")
    return declared


@result_shape.register
def _(op: Concatenation, inputs: Sequence[Shape], declared: Shape) -> Shape:
    first = inputs[0]
    if not 0 <= op.axis < len(first):
        raise ShapeError(f"{list(first)} has no axis {op.axis}")
    for other in inputs[1:]:
        if len(other) != len(first) or any(
            a != b for axis, (a, b) in enumerate(zip(first, other, strict=True)) if axis != op.axis
        ):
            raise ShapeError(f"{list(first)} and {list(other)} differ beside axis {op.axis}")
    total = sum(shape[op.axis] for shape in inputs)
    return (*first[: op.axis], total, *first[op.axis + 1 :])
