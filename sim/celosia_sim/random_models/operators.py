# SPDX-License-Identifier: BSD-2-Clause
"""Operators with random options, appended to a model."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from celosia.graph.ir import Quantization
from celosia_sim.random_models.draw import Draw
from celosia_sim.tflite_writer import ModelBuilder, PaddingName, per_channel, per_tensor

#: Images that ``concatenate`` joins at most.
CONCATENATED = 3
_PADDINGS: tuple[PaddingName, ...] = ("SAME", "VALID")


class Layers:
    """Appends operators to a model; each method takes a tensor and returns the result's number."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.model = ModelBuilder("random")

    def quantization(self, x: int) -> Quantization:
        quantization = self.model.quantization(x)
        assert quantization is not None
        return quantization

    # --- with weights ----------------------------------------------------------------------------

    def conv_2d(self, x: int, output: Quantization | None = None, same_shape: bool = False) -> int:
        """``same_shape`` keeps the image's shape, if ``keeps_shape`` allows it; ``output`` demands
        a quantization."""
        depth = self.model.shape(x)[3]
        while True:  # one channel of a window of one pixel fits whatever the image
            window, stride, dilation, padding = self._window(x, same_shape)
            channels = depth if same_shape else self.draw.integer(1, self.draw.max_channels)
            products = window[0] * window[1] * depth
            if self._fits(x, channels, products, stride):
                break
        # LiteRT refuses an int8 CONV_2D without a bias, unlike the other two operators.
        source = self.quantization(x)
        weights = self.draw.weights(channels, products, source, needs_bias=True)
        return self.model.conv_2d(
            x,
            weights.values.reshape(channels, *window, depth),
            weights.bias,
            _weight_quantization(weights.scales, 0, weights.output, output),
            output or weights.output,
            stride=stride,
            dilation=dilation,
            padding=padding,
            activation=self.draw.activation(),
        )

    def keeps_shape(self, x: int, copies: int = 1) -> bool:
        """Whether a convolution that keeps an image's shape is within the budget, and a tensor
        with the channels of ``copies`` such images."""
        shape = self.model.shape(x)
        within = math.prod(shape) * copies <= self.draw.max_elements
        return within and self._fits(x, shape[3], shape[3], (1, 1))

    def depthwise_conv_2d(self, x: int) -> int:
        depth = self.model.shape(x)[3]
        while True:
            window, stride, dilation, padding = self._window(x)
            channels = depth * self.draw.choice([1, 1, 2, 3, 8])
            products = window[0] * window[1]
            if self._fits(x, channels, products, stride):
                break
        weights = self.draw.weights(channels, products, self.quantization(x))
        return self.model.depthwise_conv_2d(
            x,
            weights.values.T.reshape(1, *window, channels),
            weights.bias,
            _weight_quantization(weights.scales, 3, weights.output),
            weights.output,
            stride=stride,
            dilation=dilation,
            padding=padding,
            activation=self.draw.activation(),
        )

    def fully_connected(self, x: int) -> int:
        shape = self.model.shape(x)
        keep = len(shape) > 2 and self.draw.chance(0.3)
        depth = shape[-1] if keep else math.prod(shape)
        rows = math.prod(shape) // depth
        most = max(1, min(self.draw.max_products // math.prod(shape), 40))
        channels = self.draw.integer(1, max(1, min(most, self.draw.max_elements // rows)))
        weights = self.draw.weights(channels, depth, self.quantization(x))
        return self.model.fully_connected(
            x,
            weights.values,
            weights.bias,
            _weight_quantization(weights.scales, 0, weights.output),
            weights.output,
            activation=self.draw.activation(),
            keep_num_dims=keep,
        )

    def _window(
        self, x: int, same_shape: bool = False
    ) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], PaddingName]:
        """Window, stride, dilation and padding that leave at least one position."""
        sides = self.model.shape(x)[1:3]
        draw = self.draw
        while True:
            window = draw.pair(1, draw.choice([1, 3, 5]))
            stride = (1, 1) if same_shape else draw.choice([(1, 1), (1, 1), draw.pair(1, 3)])
            dilation = draw.choice([(1, 1), (1, 1), draw.pair(1, 3)])
            padding = "SAME" if same_shape else draw.choice(_PADDINGS)
            reach = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
            if padding == "SAME" or all(r <= s for r, s in zip(reach, sides, strict=True)):
                return window, stride, dilation, padding

    def _fits(self, x: int, channels: int, products: int, stride: tuple[int, int]) -> bool:
        _, height, width, _ = self.model.shape(x)
        positions = -(-height // stride[0]) * -(-width // stride[1])
        elements = positions * channels
        return elements <= self.draw.max_elements and elements * products <= self.draw.max_products

    # --- images ----------------------------------------------------------------------------------

    def average_pool_2d(self, x: int) -> int:
        window, stride, padding = self._pool(x)
        return self.model.average_pool_2d(
            x, window=window, stride=stride, padding=padding, activation=self.draw.activation()
        )

    def max_pool_2d(self, x: int) -> int:
        window, stride, padding = self._pool(x)
        return self.model.max_pool_2d(
            x, window=window, stride=stride, padding=padding, activation=self.draw.activation()
        )

    def _pool(self, x: int) -> tuple[tuple[int, int], tuple[int, int], PaddingName]:
        _, height, width, _ = self.model.shape(x)
        if self.draw.chance(0.25):  # global
            return (height, width), self.draw.choice([(1, 1), (height, width)]), "VALID"
        window = self.draw.integer(1, min(height, 4)), self.draw.integer(1, min(width, 4))
        stride = self.draw.choice([window, self.draw.pair(1, 3)])
        padding = self.draw.choice(_PADDINGS)
        if padding == "SAME" and self.draw.chance(0.2):  # wider than a small image
            window = self.draw.pair(1, 5)
        return window, stride, padding

    def mean(self, x: int) -> int:
        source = self.quantization(x)
        output = source if self.draw.chance(0.4) else self.draw.near(source, -4, 4)
        axes = self.draw.choice([(1, 2), (2, 1), (-3, -2)])
        return self.model.mean(x, axes, output, keep_dims=self.draw.chance(0.5))

    def pad(self, x: int) -> int:
        _, height, width, channels = self.model.shape(x)
        top, bottom, left, right = (self.draw.integer(0, 3) for _ in range(4))
        if (height + top + bottom) * (width + left + right) * channels > self.draw.max_elements:
            top, bottom, left, right = 0, 0, 0, 0
        return self.model.pad(x, [(0, 0), (top, bottom), (left, right), (0, 0)])

    # --- element by element ----------------------------------------------------------------------

    def add(self, x: int, y: int) -> int:
        larger = max(self.quantization(x), self.quantization(y), key=lambda q: q.scale)
        # The sum's scale must exceed 2^-19 of the larger operand's, or LiteRT aborts.
        output = self.draw.near(larger, -4, 4)
        return self.model.add(x, y, output, activation=self.draw.activation())

    def add_constant(self, x: int) -> int:
        """A scalar, one value for each channel, or a whole tensor, on either side."""
        shape = self.model.shape(x)
        of = self.draw.choice([(), (1,), shape[-1:], (1,) * (len(shape) - 1) + shape[-1:], shape])
        values = self.draw.rng.integers(-128, 128, of).astype(np.int8)
        number = self.model.constant(
            f"addend_{x}", values, self.draw.near(self.quantization(x), -6, 6)
        )
        return self.add(x, number) if self.draw.chance(0.7) else self.add(number, x)

    def add_self(self, x: int) -> int:
        return self.add(x, x)

    def requantize(self, x: int) -> int:
        return self.model.quantize(x, self.draw.near(self.quantization(x), -6, 6))

    def logistic(self, x: int) -> int:
        return self.model.logistic(x)

    def tanh(self, x: int) -> int:
        return self.model.tanh(x)

    def relu(self, x: int) -> int:
        return self.model.relu(x, self.draw.near(self.quantization(x), -6, 6))

    def relu6(self, x: int) -> int:
        return self.model.relu6(x, self.draw.near(self.quantization(x), -6, 6))

    def relu_n1_to_1(self, x: int) -> int:
        return self.model.relu_n1_to_1(x, self.draw.near(self.quantization(x), -6, 6))

    def leaky_relu(self, x: int) -> int:
        alpha = self.draw.choice([0.0, 0.01, 0.1, 0.25, 0.5, 1.5])
        return self.model.leaky_relu(x, self.draw.near(self.quantization(x), -6, 6), alpha=alpha)

    def hard_swish(self, x: int) -> int:
        # LiteRT refuses input scales of 128 times the output scale and more.
        return self.model.hard_swish(x, self.draw.near(self.quantization(x), -6, 6))

    def softmax(self, x: int) -> int:
        return self.model.softmax(x, beta=self.draw.choice([1.0, 1.0, 0.5, 2.5]))

    # --- layout ----------------------------------------------------------------------------------

    def reshape(self, x: int) -> int:
        count = math.prod(self.model.shape(x))
        shape = self.draw.choice([(1, count), (1, -1), (1, 1, 1, count), (1, -1, 1)])
        return self.model.reshape(x, shape, shape_tensor=self.draw.chance(0.7))

    def squeeze(self, x: int) -> int:
        shape = self.model.shape(x)
        # The batch of 1 stays: a tensor without it has no channels where they are expected.
        ones = [axis for axis, size in enumerate(shape[:-1]) if axis > 0 and size == 1]
        axes = [axis for axis in ones if self.draw.chance(0.7)]
        return self.model.squeeze(x, axes) if axes else self.reshape(x)

    def expand_dims(self, x: int) -> int:
        rank = len(self.model.shape(x))
        if rank > 3:
            return self.reshape(x)
        return self.model.expand_dims(x, self.draw.choice([1, rank - 1, -2]))

    def concatenate(self, x: int) -> int:
        """The image's channels, some repeated, beside those of a convolution of it."""
        source = self.quantization(x)
        if not self.keeps_shape(x, CONCATENATED):
            return self.model.concatenation([x])
        parts = [x, self.conv_2d(x, output=source, same_shape=True)]
        if self.draw.chance(0.3):
            parts.append(x)
        if self.draw.chance(0.5):
            parts.reverse()
        return self.model.concatenation(parts, self.draw.choice([3, -1]))


def _weight_quantization(
    scales: tuple[float, ...],
    axis: int,
    drawn: Quantization,
    demanded: Quantization | None = None,
) -> Quantization:
    """Scales that keep their effect if another output scale than the one drawn is demanded."""
    factor = 1.0 if demanded is None else demanded.scale / drawn.scale
    scaled = [scale * factor for scale in scales]
    return per_tensor(scaled[0]) if len(scaled) == 1 else per_channel(scaled, axis)


#: What takes an image of four dimensions.
IMAGE_LAYERS: dict[str, Callable[[Layers, int], int]] = {
    "CONV_2D": Layers.conv_2d,
    "DEPTHWISE_CONV_2D": Layers.depthwise_conv_2d,
    "AVERAGE_POOL_2D": Layers.average_pool_2d,
    "MAX_POOL_2D": Layers.max_pool_2d,
    "MEAN": Layers.mean,
    "PAD": Layers.pad,
    "CONCATENATION": Layers.concatenate,
}
#: What takes a tensor of any shape.
ANY_LAYERS: dict[str, Callable[[Layers, int], int]] = {
    "FULLY_CONNECTED": Layers.fully_connected,
    "ADD": Layers.add_self,
    "ADD_CONSTANT": Layers.add_constant,
    "RESHAPE": Layers.reshape,
    "SQUEEZE": Layers.squeeze,
    "EXPAND_DIMS": Layers.expand_dims,
    "SOFTMAX": Layers.softmax,
    "LOGISTIC": Layers.logistic,
    "TANH": Layers.tanh,
    "RELU": Layers.relu,
    "RELU6": Layers.relu6,
    "RELU_N1_TO_1": Layers.relu_n1_to_1,
    "LEAKY_RELU": Layers.leaky_relu,
    "HARD_SWISH": Layers.hard_swish,
    "REQUANTIZE": Layers.requantize,
}
