# SPDX-License-Identifier: BSD-2-Clause
"""The networks of MLPerf Tiny with random weights, for machines that do not have the originals.

Cycles do not depend on the weights, dead channels aside. The topologies are those of the reference
models of the benchmark (https://github.com/mlcommons/tiny): ResNet-8 for CIFAR-10, DS-CNN for
keywords, MobileNetV1 with a width of 0.25 for visual wake words, an autoencoder for machine
sounds, and the streaming wake word network.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from celosia.graph.ir import Activation, Quantization
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor
from celosia_sim.tflite_writer.shapes import PaddingName

RELU = Activation.RELU
NONE = Activation.NONE


class _Network:
    """A chain of layers on one image, with random weights and plausible scales."""

    def __init__(self, seed: int, shape: tuple[int, ...]) -> None:
        self.builder = ModelBuilder()
        self.rng = np.random.default_rng(seed)
        self.x = self.builder.input("input", shape, per_tensor(0.5, -3))

    def _random(
        self, shape: tuple[int, ...], depth: int, axis: int
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32], Quantization]:
        rng = self.rng
        channels = shape[axis]
        weights = rng.integers(-127, 128, shape).astype(np.int8)
        bias = rng.integers(-2000, 2000, channels).astype(np.int32)
        # Outputs then spread over the range of int8.
        scales = per_channel(rng.uniform(0.5, 1.5, channels) / (70 * math.sqrt(depth)), axis)
        return weights, bias, scales

    def _output(self, activation: Activation) -> Quantization:
        return per_tensor(0.5, -128 if activation == RELU else int(self.rng.integers(-20, 20)))

    def conv(
        self,
        channels: int,
        kernel: tuple[int, int],
        *,
        stride: int = 1,
        padding: PaddingName = "SAME",
        activation: Activation = RELU,
    ) -> None:
        depth = self.builder.shape(self.x)[3]
        shape = (channels, *kernel, depth)
        weights, bias, scales = self._random(shape, math.prod(shape[1:]), 0)
        self.x = self.builder.conv_2d(
            self.x,
            weights,
            bias,
            scales,
            self._output(activation),
            stride=(stride, stride),
            padding=padding,
            activation=activation,
        )

    def depthwise(
        self,
        kernel: tuple[int, int],
        *,
        stride: int = 1,
        padding: PaddingName = "SAME",
        activation: Activation = RELU,
    ) -> None:
        shape = (1, *kernel, self.builder.shape(self.x)[3])
        weights, bias, scales = self._random(shape, math.prod(kernel), 3)
        self.x = self.builder.depthwise_conv_2d(
            self.x,
            weights,
            bias,
            scales,
            self._output(activation),
            stride=(stride, stride),
            padding=padding,
            activation=activation,
        )

    def dense(self, channels: int, activation: Activation = NONE) -> None:
        depth = self.builder.shape(self.x)[-1]
        weights, bias, scales = self._random((channels, depth), depth, 0)
        scales = per_tensor(scales.scales[0])
        self.x = self.builder.fully_connected(
            self.x, weights, bias, scales, self._output(activation), activation=activation
        )

    def add(self, other: int) -> None:
        output = per_tensor(0.8, -128)
        self.x = self.builder.add(other, self.x, output, activation=RELU)

    def classify(self, classes: int, window: tuple[int, int] | None) -> bytes:
        if window is not None:
            self.x = self.builder.average_pool_2d(self.x, window=window, stride=window)
        self.x = self.builder.reshape(self.x, (1, self.builder.shape(self.x)[-1]))
        self.dense(classes)
        self.x = self.builder.softmax(self.x)
        return self.finish()

    def finish(self) -> bytes:
        self.builder.output(self.x)
        return bytes(self.builder.build())


def image_classification() -> bytes:
    """ResNet-8 of the image classification benchmark."""
    net = _Network(1, (1, 32, 32, 3))
    net.conv(16, (3, 3))
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        start = net.x
        if stride > 1:
            net.conv(channels, (3, 3), stride=stride)
            net.conv(channels, (3, 3), activation=NONE)
            main = net.x
            net.x = start
            net.conv(channels, (1, 1), stride=stride, activation=NONE)
            start, net.x = net.x, main
        else:
            net.conv(channels, (3, 3))
            net.conv(channels, (3, 3), activation=NONE)
        net.add(start)
    return net.classify(10, (8, 8))


def keyword_spotting() -> bytes:
    """DS-CNN of the keyword spotting benchmark."""
    net = _Network(2, (1, 49, 10, 1))
    net.conv(64, (10, 4), stride=2)
    for _ in range(4):
        net.depthwise((3, 3))
        net.conv(64, (1, 1))
    return net.classify(12, (25, 5))


def visual_wake_words() -> bytes:
    """MobileNetV1 0.25 of the visual wake words benchmark, without dead channels."""
    net = _Network(3, (1, 96, 96, 3))
    net.conv(8, (3, 3), stride=2)
    channels = (16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    for count, stride in zip(channels, strides, strict=True):
        net.depthwise((3, 3), stride=stride)
        net.conv(count, (1, 1))
    return net.classify(2, (3, 3))


def anomaly_detection() -> bytes:
    """The autoencoder of the anomaly detection benchmark."""
    net = _Network(4, (1, 640))
    for channels in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        net.dense(channels, RELU)
    net.dense(640)
    return net.finish()


def streaming_wake_word() -> bytes:
    """The network of the streaming wake word benchmark."""
    net = _Network(5, (1, 30, 1, 40))
    for taps, channels in ((3, 128), (5, 128), (10, 128), (15, 32)):
        net.depthwise((taps, 1), padding="VALID", activation=NONE)
        net.conv(channels, (1, 1))
    return net.classify(3, None)


#: By the names of the benchmark's model files.
TOPOLOGIES: dict[str, Callable[[], bytes]] = {
    "pretrainedResnet_quant": image_classification,
    "kws_ref_model": keyword_spotting,
    "vww_96_int8": visual_wake_words,
    "str_ww_ref_model": streaming_wake_word,
    "ad01_int8": anomaly_detection,
}
