# SPDX-License-Identifier: BSD-2-Clause
"""Operators that change shapes only: RESHAPE, SQUEEZE, EXPAND_DIMS, CONCATENATION."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from celosia.graph.ir import Activation, Quantization
from celosia_sim.tflite_writer.core import FILE_ACTIVATIONS, BuilderCore, Options


class LayoutOperators(BuilderCore):
    """The bytes stay; only CONCATENATION interleaves them."""

    def reshape(self, x: int, shape: Sequence[int], *, shape_tensor: bool = True) -> int:
        """RESHAPE; one entry of ``shape`` may be -1.

        The new shape is stored as a constant operand or, without ``shape_tensor``, in the options.
        """
        count = math.prod(self.shape(x))
        known = math.prod(size for size in shape if size != -1)
        result = tuple(count // known if size == -1 else size for size in shape)
        inputs = [x]
        if shape_tensor:
            name = f"shape_{len(self._operators)}"
            inputs.append(self.constant(name, np.array(shape, np.int32)))
        options = Options("ReshapeOptions", {"NewShape": tuple(shape)})
        return self._emit("RESHAPE", inputs, result, self.quantization(x), options)

    def squeeze(self, x: int, axes: Sequence[int] = ()) -> int:
        """SQUEEZE: drops ``axes`` of size 1; all of them if none is named."""
        shape = self.shape(x)
        dropped = {axis % len(shape) for axis in axes}
        result = tuple(
            size for axis, size in enumerate(shape) if (axis not in dropped if axes else size != 1)
        )
        options = Options("SqueezeOptions", {"SqueezeDims": tuple(axes)})
        return self._emit("SQUEEZE", [x], result, self.quantization(x), options)

    def expand_dims(self, x: int, axis: int) -> int:
        """EXPAND_DIMS: inserts an axis of size 1 so that it becomes ``axis`` of the result."""
        shape = list(self.shape(x))
        shape.insert(axis if axis >= 0 else axis + len(shape) + 1, 1)
        number = self.constant(f"axis_{len(self._operators)}", np.array([axis], np.int32))
        options = Options("ExpandDimsOptions", {})
        return self._emit("EXPAND_DIMS", [x, number], shape, self.quantization(x), options)

    def concatenation(
        self,
        inputs: Sequence[int],
        axis: int = -1,
        output: Quantization | None = None,
        *,
        activation: Activation = Activation.NONE,
    ) -> int:
        """CONCATENATION along ``axis``; without ``output`` in the first input's quantization."""
        shape = list(self.shape(inputs[0]))
        shape[axis] = sum(self.shape(x)[axis] for x in inputs)
        options = Options(
            "ConcatenationOptions",
            {"Axis": axis, "FusedActivationFunction": FILE_ACTIVATIONS[activation]},
        )
        quantization = output or self.quantization(inputs[0])
        return self._emit("CONCATENATION", inputs, shape, quantization, options, version=2)
