# SPDX-License-Identifier: BSD-2-Clause
"""AVERAGE_POOL_2D, MAX_POOL_2D and MEAN over the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.arithmetic import pool
from celosia.graph.ir import Array, AveragePool2D, MaxPool2D, Mean, Op
from celosia_sim.reference.node import Kernel, Node


def _taps(
    op: AveragePool2D | MaxPool2D, image: npt.NDArray[np.int64], fill: int
) -> list[npt.NDArray[np.int64]]:
    """For each element of the window, what the windows have there: (rows, columns, channels)."""
    padding = op.padding
    vertical, horizontal = (padding.top, padding.bottom), (padding.left, padding.right)
    padded = np.pad(image, (vertical, horizontal, (0, 0)), constant_values=fill)
    rows = (padded.shape[0] - op.window[0]) // op.stride[0] + 1
    columns = (padded.shape[1] - op.window[1]) // op.stride[1] + 1
    return [
        padded[
            y : y + (rows - 1) * op.stride[0] + 1 : op.stride[0],
            x : x + (columns - 1) * op.stride[1] + 1 : op.stride[1],
        ]
        for y in range(op.window[0])
        for x in range(op.window[1])
    ]


def average_pool_2d(op: AveragePool2D, node: Node) -> Array:
    image = node.input()[0].astype(np.int64)
    sums = np.sum(_taps(op, image, 0), axis=0)
    inside = np.ones((*image.shape[:2], 1), dtype=np.int64)
    counts = np.sum(_taps(op, inside, 0), axis=0)
    return node.finish(pool.average(sums, counts, node.clamp(op.activation)))


def max_pool_2d(op: MaxPool2D, node: Node) -> Array:
    image = node.input()[0].astype(np.int64)
    greatest = np.max(_taps(op, image, -128), axis=0)
    return node.finish(np.clip(greatest, *node.clamp(op.activation)).astype(np.int8))


def mean(op: Mean, node: Node) -> Array:
    image = node.input()[0].astype(np.int64)
    result = pool.mean(
        image.sum(axis=(0, 1)),
        image.shape[0] * image.shape[1],
        node.input_quantization(),
        node.result_quantization,
    )
    return node.finish(np.clip(result, *node.clamp()))


KERNELS: dict[type[Op], Kernel] = {
    AveragePool2D: average_pool_2d,
    MaxPool2D: max_pool_2d,
    Mean: mean,
}
