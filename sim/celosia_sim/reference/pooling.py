# SPDX-License-Identifier: BSD-2-Clause
"""AVERAGE_POOL_2D, MAX_POOL_2D and MEAN over the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.arithmetic import pool
from celosia.graph.ir import Array, AveragePool2D, MaxPool2D, Mean, Op
from celosia_sim.reference.node import Kernel, Node


def _reduced(
    op: AveragePool2D | MaxPool2D, image: npt.NDArray[np.int64], reduce: np.ufunc, start: int
) -> npt.NDArray[np.int64]:
    """``reduce`` over the elements of each window that lie inside of ``image``, from ``start`` on:
    (rows, columns, channels). One axis after the other, so that the largest window takes no more
    than the image does."""
    padding = op.padding
    before, after = (padding.top, padding.left), (padding.bottom, padding.right)
    for axis in (0, 1):
        window, stride = op.window[axis], op.stride[axis]
        lines = np.moveaxis(image, axis, 0)
        count = (len(lines) + before[axis] + after[axis] - window) // stride + 1
        begins = [number * stride - before[axis] for number in range(count)]
        results = [
            reduce.reduce(lines[max(begin, 0) : max(begin + window, 0)], axis=0, initial=start)
            for begin in begins
        ]
        image = np.moveaxis(np.stack(results), 0, axis)
    return image


def average_pool_2d(op: AveragePool2D, node: Node) -> Array:
    image = node.input()[0].astype(np.int64)
    sums = _reduced(op, image, np.add, 0)
    inside = np.ones((*image.shape[:2], 1), dtype=np.int64)
    counts = _reduced(op, inside, np.add, 0)
    return node.finish(pool.average(sums, counts, node.clamp(op.activation)))


def max_pool_2d(op: MaxPool2D, node: Node) -> Array:
    image = node.input()[0].astype(np.int64)
    greatest = _reduced(op, image, np.maximum, -128)
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
