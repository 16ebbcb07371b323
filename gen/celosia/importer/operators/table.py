# SPDX-License-Identifier: BSD-2-Clause
"""Which operators are supported, and how each is imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tflite

from celosia.graph.ir import Op
from celosia.importer.node import Node
from celosia.importer.operators import elementwise, images, layout, weighted


@dataclass(frozen=True)
class OperatorImporter:
    """How an operator is imported.

    ``version`` is the newest version of the operator that is understood, as TensorFlow Lite's
    reference resolver has it (``register_ref.cc``). ``options`` is the generated class of its
    options; with ``required`` a missing table is an error, as its zeros would make no sense.
    """

    run: Callable[[Node], Op]
    version: int
    options: Any = None
    required: bool = False


SUPPORTED = {
    "ADD": OperatorImporter(elementwise.add, 5, tflite.AddOptions),
    "AVERAGE_POOL_2D": OperatorImporter(images.average_pool_2d, 3, tflite.Pool2DOptions, True),
    "CONCATENATION": OperatorImporter(layout.concatenation, 5, tflite.ConcatenationOptions, True),
    "CONV_2D": OperatorImporter(weighted.conv_2d, 8, tflite.Conv2DOptions, True),
    "DEPTHWISE_CONV_2D": OperatorImporter(
        weighted.depthwise_conv_2d, 7, tflite.DepthwiseConv2DOptions, True
    ),
    "DEQUANTIZE": OperatorImporter(elementwise.dequantize, 7),
    "EXPAND_DIMS": OperatorImporter(layout.expand_dims, 1),
    "FULLY_CONNECTED": OperatorImporter(weighted.fully_connected, 14, tflite.FullyConnectedOptions),
    "HARD_SWISH": OperatorImporter(elementwise.hard_swish, 1),
    "LEAKY_RELU": OperatorImporter(elementwise.leaky_relu, 2, tflite.LeakyReluOptions, True),
    "LOGISTIC": OperatorImporter(elementwise.logistic, 3),
    "MAX_POOL_2D": OperatorImporter(images.max_pool_2d, 3, tflite.Pool2DOptions, True),
    "MEAN": OperatorImporter(images.mean, 3, tflite.ReducerOptions),
    "PAD": OperatorImporter(layout.pad, 4),
    "PADV2": OperatorImporter(layout.pad, 4),
    "QUANTIZE": OperatorImporter(elementwise.quantize, 4),
    "RELU": OperatorImporter(elementwise.relu, 3),
    "RELU6": OperatorImporter(elementwise.relu6, 3),
    "RELU_N1_TO_1": OperatorImporter(elementwise.relu_n1_to_1, 1),
    "RESHAPE": OperatorImporter(layout.reshape, 1, tflite.ReshapeOptions),
    "SOFTMAX": OperatorImporter(elementwise.softmax, 3, tflite.SoftmaxOptions, True),
    "SQUEEZE": OperatorImporter(layout.squeeze, 2, tflite.SqueezeOptions),
    "TANH": OperatorImporter(elementwise.tanh, 3),
}

#: What to do about operators that are not supported, where there is more to say than "replace it".
_REMEDIES = {
    "IF": "control flow cannot be compiled; export the branch that is needed",
    "WHILE": "control flow cannot be compiled; unroll the loop before the export",
    "CALL_ONCE": "export the model without initialization and resources",
    "TRANSPOSE": "export the model in NHWC order, so that no transposition is needed",
    "PACK": "express it with RESHAPE and CONCATENATION of fixed shapes",
    "SHAPE": "convert the model with a fixed input shape of batch 1, so that shapes are constants",
    "STRIDED_SLICE": "convert the model with a fixed input shape of batch 1, or drop the slice",
    "PRELU": "use RELU, RELU6 or LEAKY_RELU",
    "ELU": "use RELU, RELU6 or LEAKY_RELU",
    "GELU": "use RELU, RELU6 or HARD_SWISH",
    "SUB": "fold it into the layer before it, or use ADD",
    "MUL": "fold it into the layer before it, or use convolutions",
}


def remedy(name: str, custom: bool) -> str:
    """What to do about an operator that is not supported."""
    if custom:
        return "only builtin operators are; convert the model without custom operators"
    return _REMEDIES.get(
        name, "replace it in the model by supported operators, or run this part on the host"
    )
