# SPDX-License-Identifier: BSD-2-Clause
"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED.

The kernels accumulate in int32. Here sums are formed in float64 where BLAS does it, which is exact:
a sum of n products is below n * 2^15 in magnitude, far below 2^53 for any n that fits memory.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.fixed_point import Int64Array, conv_multipliers, requantize
from celosia.arithmetic.fully_connected import fully_connected_scales, requantize_fully_connected
from celosia.graph.ir import Array, Conv2D, DepthwiseConv2D, FullyConnected, Op, Padding
from celosia_sim.reference.node import Kernel, Node


def _centred(node: Node) -> npt.NDArray[np.float64]:
    """The input less its zero point; zeros then stand for padding."""
    return node.input().astype(np.float64) - node.input_quantization().zero_point


def _product(a: npt.NDArray[np.float64], weights: npt.NDArray[np.int8]) -> Int64Array:
    """Exact a @ weights.T for integers; weights are (out, in)."""
    sums: Int64Array = (a @ weights.T.astype(np.float64)).astype(np.int64)
    return sums


def _windows(
    image: npt.NDArray[np.float64],
    window: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: Padding,
) -> npt.NDArray[np.float64]:
    """A view (rows, columns, channels, window height, window width) of image (h, w, channels)."""
    vertical, horizontal = (padding.top, padding.bottom), (padding.left, padding.right)
    padded = np.pad(image, (vertical, horizontal, (0, 0)))
    reach = tuple((size - 1) * step + 1 for size, step in zip(window, dilation, strict=True))
    views = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(0, 1))
    return views[:: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]


def conv_2d(op: Conv2D, node: Node) -> Array:
    channels, height, width, depth = op.weights.shape
    windows = _windows(_centred(node)[0], (height, width), op.stride, op.dilation, op.padding)
    rows = windows.transpose(0, 1, 3, 4, 2).reshape(-1, height * width * depth)
    sums = _product(rows, op.weights.reshape(channels, -1)) + op.bias
    return _finish(op, node, sums)


def depthwise_conv_2d(op: DepthwiseConv2D, node: Node) -> Array:
    height, width, _ = op.weights.shape
    image = np.repeat(_centred(node)[0], op.multiplier, axis=2)
    windows = _windows(image, (height, width), op.stride, op.dilation, op.padding)
    sums = np.zeros(windows.shape[:3])
    for row in range(height):
        for column in range(width):
            sums += windows[..., row, column] * op.weights[row, column]
    return _finish(op, node, sums.astype(np.int64) + op.bias)


def _finish(op: Conv2D | DepthwiseConv2D, node: Node, sums: Int64Array) -> Array:
    result = node.result_quantization
    multipliers = conv_multipliers(node.input_quantization().scale, op.weight_scales, result.scale)
    clamp = node.clamp(op.activation)
    return node.finish(requantize(sums, *multipliers, result.zero_point, clamp))


def fully_connected(op: FullyConnected, node: Node) -> Array:
    result = node.result_quantization
    sums = _product(_centred(node).reshape(-1, op.weights.shape[1]), op.weights) + op.bias
    source = node.input_quantization()
    scales = fully_connected_scales(source.scale, op.weight_scales, result.scale)
    clamp = node.clamp(op.activation)
    return node.finish(requantize_fully_connected(sums, scales, result.zero_point, clamp))


KERNELS: dict[type[Op], Kernel] = {
    Conv2D: conv_2d,
    DepthwiseConv2D: depthwise_conv_2d,
    FullyConnected: fully_connected,
}
