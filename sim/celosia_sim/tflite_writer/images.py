# SPDX-License-Identifier: BSD-2-Clause
"""Operators on images: AVERAGE_POOL_2D, MAX_POOL_2D, MEAN, PAD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celosia.graph.ir import Activation, Quantization
from celosia_sim.tflite_writer.core import FILE_ACTIVATIONS, BuilderCore, Options
from celosia_sim.tflite_writer.shapes import FILE_PADDINGS, PaddingName, image_shape


class ImageOperators(BuilderCore):
    """Pooling and padding; images are (1, height, width, channels)."""

    def average_pool_2d(
        self,
        image: int,
        *,
        window: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: PaddingName = "VALID",
        activation: Activation = Activation.NONE,
    ) -> int:
        """AVERAGE_POOL_2D; the output has the input's quantization."""
        return self._pool("AVERAGE_POOL_2D", image, window, stride, padding, activation)

    def max_pool_2d(
        self,
        image: int,
        *,
        window: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: PaddingName = "VALID",
        activation: Activation = Activation.NONE,
    ) -> int:
        """MAX_POOL_2D; the output has the input's quantization."""
        return self._pool("MAX_POOL_2D", image, window, stride, padding, activation)

    def _pool(
        self,
        name: str,
        image: int,
        window: tuple[int, int],
        stride: tuple[int, int],
        padding: PaddingName,
        activation: Activation,
    ) -> int:
        shape = self.shape(image)
        options = Options(
            "Pool2DOptions",
            {
                "Padding": FILE_PADDINGS[padding],
                "StrideH": stride[0],
                "StrideW": stride[1],
                "FilterHeight": window[0],
                "FilterWidth": window[1],
                "FusedActivationFunction": FILE_ACTIVATIONS[activation],
            },
        )
        pooled = image_shape(shape, window, stride, (1, 1), padding, shape[3])
        return self._emit(name, [image], pooled, self.quantization(image), options, version=2)

    def mean(
        self,
        x: int,
        axes: Sequence[int] = (1, 2),
        output: Quantization | None = None,
        *,
        keep_dims: bool = False,
    ) -> int:
        """MEAN over ``axes``; without ``output`` in the input's quantization."""
        shape = self.shape(x)
        reduced = {axis % len(shape) for axis in axes}
        if keep_dims:
            kept = tuple(1 if axis in reduced else size for axis, size in enumerate(shape))
        else:
            kept = tuple(size for axis, size in enumerate(shape) if axis not in reduced)
        number = self.constant(f"axes_{len(self._operators)}", np.array(axes, np.int32))
        options = Options("ReducerOptions", {"KeepDims": keep_dims})
        quantization = output or self.quantization(x)
        return self._emit("MEAN", [x, number], kept, quantization, options, version=2)

    def pad(self, x: int, amounts: Sequence[tuple[int, int]]) -> int:
        """PAD with the zero point, ``amounts[axis]`` before and after; quantization unchanged."""
        shape = tuple(
            size + before + after
            for size, (before, after) in zip(self.shape(x), amounts, strict=True)
        )
        number = self.constant(f"paddings_{len(self._operators)}", np.array(amounts, np.int32))
        options = Options("PadOptions", {})
        return self._emit("PAD", [x, number], shape, self.quantization(x), options, version=2)
