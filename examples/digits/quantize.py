# SPDX-License-Identifier: BSD-2-Clause
"""From floating point parameters to an int8 .tflite file, by post-training quantization.

Follows TensorFlow Lite's 8-bit quantization specification: activations are asymmetric with the
range seen on the training images, weights symmetric in -127..127 with a scale for each output
channel (one for all in the fully connected layer), biases int32 with input scale x weight scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from examples.digits.network import Parameters, activations

from celosia.graph.ir import Activation, Quantization
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

#: Images of 0..1 use the whole range of int8.
INPUT = per_tensor(float(np.float32(1 / 255)), -128)


def quantize_images(images: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Images in 0..1 as the model takes them."""
    return (np.rint(images * 255) - 128).astype(np.int8)


def write_model(parameters: Parameters, images: npt.NDArray[np.float32]) -> bytes:
    """The .tflite file; ``images`` are those that the ranges of activations are taken from."""
    seen = activations(parameters, images)
    ranges = {layer: _activation_quantization(values) for layer, values in seen.items()}
    builder = ModelBuilder()

    def weighted(layer: str, source: int, axis: int | None) -> tuple[Any, Any, Quantization]:
        weights, quantization = _quantize_weights(parameters[layer], axis)
        of_source = builder.quantization(source)
        assert of_source is not None
        scales = of_source.scale * np.array(quantization.scales)
        bias = np.rint(parameters[f"{layer}_bias"] / scales).astype(np.int32)
        return weights, bias, quantization

    image = builder.input("image", (1, 8, 8, 1), INPUT)
    stem = builder.conv_2d(
        image, *weighted("stem", image, 0), ranges["stem"], activation=Activation.RELU
    )
    depthwise = builder.depthwise_conv_2d(
        stem, *weighted("depthwise", stem, 3), ranges["depthwise"], activation=Activation.RELU
    )
    pointwise = builder.conv_2d(
        depthwise, *weighted("pointwise", depthwise, 0), ranges["pointwise"]
    )
    residual = builder.add(stem, pointwise, ranges["residual"], activation=Activation.RELU)
    halved = builder.max_pool_2d(residual, window=(2, 2), stride=(2, 2))
    widened = builder.conv_2d(
        halved, *weighted("widen", halved, 0), ranges["widen"], activation=Activation.RELU
    )
    averaged = builder.average_pool_2d(widened, window=(2, 2), stride=(2, 2))
    flat = builder.reshape(averaged, (1, 128))
    logits = builder.fully_connected(flat, *weighted("logits", flat, None), ranges["logits"])
    builder.output(builder.softmax(logits))
    return builder.build()


def _activation_quantization(values: npt.NDArray[np.float32]) -> Quantization:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    scale = np.float32((high - low) / 255)
    return per_tensor(float(scale), int(np.rint(-128 - low / scale)))


def _quantize_weights(
    weights: npt.NDArray[np.float32], axis: int | None
) -> tuple[npt.NDArray[np.int8], Quantization]:
    """int8 weights and their quantization, with a scale for each index along ``axis`` if given."""
    if axis is None:
        scale = np.float32(np.abs(weights).max() / 127)
        quantized = np.rint(weights / scale)
        return quantized.clip(-127, 127).astype(np.int8), per_tensor(float(scale), 0)
    others = tuple(i for i in range(weights.ndim) if i != axis)
    scales = (np.abs(weights).max(axis=others, keepdims=True) / 127).astype(np.float32)
    quantized = np.rint(weights / scales).clip(-127, 127).astype(np.int8)
    return quantized, per_channel([float(scale) for scale in scales.ravel()], axis)
