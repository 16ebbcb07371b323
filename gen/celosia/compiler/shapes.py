# SPDX-License-Identifier: BSD-2-Clause
"""Axes of tensors of any rank, as axes of the images that they are stored as."""

from __future__ import annotations

from math import prod

from celosia.compiler.context import describe
from celosia.compiler.layout import image_shape
from celosia.errors import ModelError
from celosia.graph.ir import Concatenation, Graph, Op, Pad


def image_axis(graph: Graph, op: Op, shape: tuple[int, ...], axis: int) -> int:
    """0 (height), 1 (width) or 2 (channels) for an axis of a tensor that changes its size.

    Raises:
        ModelError: the axis is only a part of the image's width.
    """
    if axis == len(shape) - 1:
        return 2
    if len(shape) == 4 and shape[0] == 1:
        if axis in (1, 2):
            return axis - 1
    elif prod(shape[:axis]) == 1:
        return 1
    raise ModelError(
        f"{describe(graph, op)}: axis {axis} of shape {list(shape)} is not supported; use the last "
        "axis, or height or width of an image with batch 1"
    )


def concat_offsets(graph: Graph, op: Concatenation) -> list[tuple[int, int, int]]:
    """Where each input begins in the result: (h, w, c)."""
    shape = graph.tensors[op.inputs[0]].shape
    axis = image_axis(graph, op, shape, op.axis)
    offsets = []
    at = 0
    for tensor in op.inputs:
        offsets.append(tuple(at if i == axis else 0 for i in range(3)))
        at += image_shape(graph.tensors[tensor].shape)[axis]
    return [(h, w, c) for h, w, c in offsets]


def pad_amounts(graph: Graph, op: Pad) -> list[tuple[int, int]]:
    """Pixels or channels added before and behind, for height, width and channels."""
    shape = graph.tensors[op.inputs[0]].shape
    amounts = [(0, 0)] * 3
    for axis, amount in enumerate(op.amounts):
        if amount == (0, 0):
            continue
        image = image_axis(graph, op, shape, axis)
        # Pixels of a padded middle axis count all that the axes behind it make up.
        behind = prod(shape[axis + 1 : -1]) if image == 1 else 1
        if amounts[image] != (0, 0):
            raise ModelError(
                f"{describe(graph, op)}: padding of several axes of shape {list(shape)} is not "
                "supported; pad one of them, or an image with batch 1"
            )
        amounts[image] = (amount[0] * behind, amount[1] * behind)
    return amounts
