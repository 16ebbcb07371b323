# SPDX-License-Identifier: BSD-2-Clause
"""Operators element by element, and SOFTMAX, which works along the last axis."""

from __future__ import annotations

from celosia.graph.ir import Activation, DType, Quantization
from celosia_sim.tflite_writer.core import FILE_ACTIVATIONS, BuilderCore, Options, per_tensor
from celosia_sim.tflite_writer.shapes import broadcast_shape

#: Quantizations of results that the operators themselves fix.
LOGISTIC_OUTPUT = per_tensor(1 / 256, -128)
TANH_OUTPUT = per_tensor(1 / 128, 0)
SOFTMAX_OUTPUT = per_tensor(1 / 256, -128)


class ElementwiseOperators(BuilderCore):
    """ADD, the one-input functions, changes of quantization, SOFTMAX."""

    def add(
        self, a: int, b: int, output: Quantization, *, activation: Activation = Activation.NONE
    ) -> int:
        """ADD; shapes broadcast."""
        options = Options("AddOptions", {"FusedActivationFunction": FILE_ACTIVATIONS[activation]})
        shape = broadcast_shape(self.shape(a), self.shape(b))
        return self._emit("ADD", [a, b], shape, output, options, version=2)

    def logistic(self, x: int) -> int:
        """LOGISTIC; the output's quantization is 1/256, -128."""
        return self._emit("LOGISTIC", [x], self.shape(x), LOGISTIC_OUTPUT, version=2)

    def tanh(self, x: int) -> int:
        """TANH; the output's quantization is 1/128, 0."""
        return self._emit("TANH", [x], self.shape(x), TANH_OUTPUT, version=2)

    def relu(self, x: int, output: Quantization) -> int:
        """RELU as an operator of its own."""
        return self._emit("RELU", [x], self.shape(x), output, version=2)

    def relu6(self, x: int, output: Quantization) -> int:
        """RELU6 as an operator of its own."""
        return self._emit("RELU6", [x], self.shape(x), output, version=2)

    def relu_n1_to_1(self, x: int, output: Quantization) -> int:
        """RELU_N1_TO_1 as an operator of its own."""
        return self._emit("RELU_N1_TO_1", [x], self.shape(x), output)

    def leaky_relu(self, x: int, output: Quantization, *, alpha: float) -> int:
        """LEAKY_RELU with slope ``alpha`` below zero."""
        options = Options("LeakyReluOptions", {"Alpha": alpha})
        return self._emit("LEAKY_RELU", [x], self.shape(x), output, options, version=2)

    def hard_swish(self, x: int, output: Quantization) -> int:
        """HARD_SWISH."""
        options = Options("HardSwishOptions", {})
        return self._emit("HARD_SWISH", [x], self.shape(x), output, options)

    def quantize(self, x: int, output: Quantization, dtype: DType = DType.INT8) -> int:
        """QUANTIZE: float32 to 8 bits, or from one 8-bit quantization to another."""
        version = 1 if self.dtype(x) is DType.FLOAT32 else 2
        options = Options("QuantizeOptions", {})
        return self._emit("QUANTIZE", [x], self.shape(x), output, options, version, dtype)

    def dequantize(self, x: int) -> int:
        """DEQUANTIZE to float32."""
        options = Options("DequantizeOptions", {})
        shape = self.shape(x)
        return self._emit("DEQUANTIZE", [x], shape, None, options, 2, DType.FLOAT32)

    def softmax(self, x: int, *, beta: float = 1.0) -> int:
        """SOFTMAX over the last axis; the output's quantization is 1/256, -128."""
        options = Options("SoftmaxOptions", {"Beta": beta})
        return self._emit("SOFTMAX", [x], self.shape(x), SOFTMAX_OUTPUT, options, version=2)
