# SPDX-License-Identifier: BSD-2-Clause
"""AVERAGE_POOL_2D, MAX_POOL_2D and MEAN over an image.

Conditions: ``pooling.cc`` and ``reduce.cc`` of TensorFlow Lite.
"""

from __future__ import annotations

import numpy as np

from celosia.graph.ir import AveragePool2D, MaxPool2D, Mean, Op
from celosia.graph.rules import is_same_for_pooling
from celosia.importer.multipliers import report_overflow
from celosia.importer.node import Node, quantization_of
from celosia.importer.operators.weighted import image_padding
from celosia.importer.tensors import QUANTIZE_REMEDY


def average_pool_2d(node: Node) -> Op:
    """AVERAGE_POOL_2D."""
    return _pool(node, AveragePool2D)


def max_pool_2d(node: Node) -> Op:
    """MAX_POOL_2D."""
    return _pool(node, MaxPool2D)


def _pool(node: Node, kind: type[AveragePool2D] | type[MaxPool2D]) -> Op:
    node.expect_inputs(1, 1)
    image_id, image = node.activation(rank=4)
    result_id, result = node.result(rank=4)
    if not is_same_for_pooling(quantization_of(image), quantization_of(result)):
        node.report(
            "its input and output differ in quantization, which pooling does not convert",
            QUANTIZE_REMEDY,
            result_id,
        )
    window = node.pair("FilterHeight", "FilterWidth")
    stride = node.pair("StrideH", "StrideW")
    return node.finish(
        kind(
            node.index,
            [image_id],
            result_id,
            window=window,
            stride=stride,
            padding=image_padding(node, image, window, stride),
            activation=node.fused_activation(result.quantization),
        )
    )


def mean(node: Node) -> Op:
    """MEAN over height and width."""
    node.expect_inputs(2, 2)
    image_id, image = node.activation(rank=4)
    result_id, result = node.result()
    axes = {axis + 4 if axis < 0 else axis for axis in node.integers(1).ravel().tolist()}
    if axes != {1, 2}:
        node.reject(
            f"MEAN over axes {sorted(axes)} is not supported",
            "reduce over height and width (axes 1 and 2) only",
        )
    source, target = quantization_of(image), quantization_of(result)
    # The kernel multiplies the sum by scale / count, of which it takes the power of two out of
    # the count first; 255 steps an element bound the sum.
    count = image.shape[1] * image.shape[2]
    halvings = count.bit_length() - 1
    report_overflow(
        node,
        np.array([source.scale / target.scale / 2.0**halvings]),
        np.array([255 * count]),
        result_id,
    )
    keep_dims = bool(node.option("KeepDims", False))
    return node.finish(Mean(node.index, [image_id], result_id, keep_dims=keep_dims))
