# SPDX-License-Identifier: BSD-2-Clause
"""Operators with weights: CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from celosia.graph.ir import Activation, Quantization
from celosia_sim.tflite_writer.core import FILE_ACTIVATIONS, BuilderCore, Options
from celosia_sim.tflite_writer.shapes import FILE_PADDINGS, PaddingName, image_shape


class WeightedOperators(BuilderCore):
    """Weights are int8 arrays, biases int32 arrays or None, both stored as constants.

    A bias gets the scales that the specification demands: input scale times weight scale.
    """

    def conv_2d(
        self,
        image: int,
        weights: npt.NDArray[np.int8],
        bias: npt.NDArray[np.int32] | None,
        weight_quantization: Quantization,
        output: Quantization,
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: PaddingName = "SAME",
        activation: Activation = Activation.NONE,
    ) -> int:
        """CONV_2D; ``weights`` are (out, height, width, in), quantized along axis 0."""
        inputs = self._weighted_inputs(image, weights, bias, weight_quantization)
        channels, height, width, _ = weights.shape
        shape = image_shape(self.shape(image), (height, width), stride, dilation, padding, channels)
        options = Options(
            "Conv2DOptions",
            {
                "Padding": FILE_PADDINGS[padding],
                "StrideH": stride[0],
                "StrideW": stride[1],
                "DilationHFactor": dilation[0],
                "DilationWFactor": dilation[1],
                "FusedActivationFunction": FILE_ACTIVATIONS[activation],
            },
        )
        return self._emit("CONV_2D", inputs, shape, output, options, version=3)

    def depthwise_conv_2d(
        self,
        image: int,
        weights: npt.NDArray[np.int8],
        bias: npt.NDArray[np.int32] | None,
        weight_quantization: Quantization,
        output: Quantization,
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: PaddingName = "SAME",
        activation: Activation = Activation.NONE,
    ) -> int:
        """DEPTHWISE_CONV_2D; ``weights`` are (1, height, width, out), quantized along axis 3.

        The depth multiplier is the quotient of ``out`` and the image's channels.
        """
        inputs = self._weighted_inputs(image, weights, bias, weight_quantization)
        _, height, width, channels = weights.shape
        shape = image_shape(self.shape(image), (height, width), stride, dilation, padding, channels)
        options = Options(
            "DepthwiseConv2DOptions",
            {
                "Padding": FILE_PADDINGS[padding],
                "StrideH": stride[0],
                "StrideW": stride[1],
                "DepthMultiplier": channels // self.shape(image)[3],
                "DilationHFactor": dilation[0],
                "DilationWFactor": dilation[1],
                "FusedActivationFunction": FILE_ACTIVATIONS[activation],
            },
        )
        return self._emit("DEPTHWISE_CONV_2D", inputs, shape, output, options, version=3)

    def fully_connected(
        self,
        x: int,
        weights: npt.NDArray[np.int8],
        bias: npt.NDArray[np.int32] | None,
        weight_quantization: Quantization,
        output: Quantization,
        *,
        activation: Activation = Activation.NONE,
        keep_num_dims: bool = False,
    ) -> int:
        """FULLY_CONNECTED; ``weights`` are (out, in), quantized along axis 0.

        The output is (batch, out), or with ``keep_num_dims`` the input's shape with its last
        dimension replaced by ``out``.
        """
        inputs = self._weighted_inputs(x, weights, bias, weight_quantization)
        channels, depth = weights.shape
        shape: tuple[int, ...]
        if keep_num_dims:
            shape = (*self.shape(x)[:-1], channels)
        else:
            shape = (math.prod(self.shape(x)) // depth, channels)
        options = Options(
            "FullyConnectedOptions",
            {
                "FusedActivationFunction": FILE_ACTIVATIONS[activation],
                "KeepNumDims": keep_num_dims,
            },
        )
        return self._emit("FULLY_CONNECTED", inputs, shape, output, options, version=5)

    def _weighted_inputs(
        self,
        x: int,
        weights: npt.NDArray[np.int8],
        bias: npt.NDArray[np.int32] | None,
        quantization: Quantization,
    ) -> list[int]:
        number = len(self._operators)
        inputs = [x, self.constant(f"weights_{number}", weights, quantization)]
        if bias is not None:
            of_input = self.quantization(x)
            scale = 1.0 if of_input is None else of_input.scale
            scales = np.float32(scale) * np.array(quantization.scales, np.float32)
            of_bias = Quantization(
                tuple(float(value) for value in scales), (0,) * len(scales), axis=0
            )
            inputs.append(self.constant(f"bias_{number}", bias, of_bias))
        return inputs
