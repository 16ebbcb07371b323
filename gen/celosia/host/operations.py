# SPDX-License-Identifier: BSD-2-Clause
"""The operations that are left to the host, exactly as the kernels of TensorFlow Lite do them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from celosia.arithmetic.softmax import softmax
from celosia.compiler.image import HostOp, ImageError
from celosia.graph.ir import Array
from celosia.samples import quantize


def run_operations(operations: Iterable[HostOp], values: dict[int, Array]) -> None:
    """Adds the outputs of all operations whose input is known to ``values``, arrays by tensor.

    Raises:
        ImageError: an operation is unknown.
    """
    for op in operations:
        source, target = op.input["tensor"], op.output["tensor"]
        if target in values or source not in values:
            continue
        kernel = _KERNELS.get(op.op)
        if kernel is None:
            raise ImageError(
                f"the image leaves the operation {op.op} to the host, which this version of "
                "Celosia does not know; generate the model again"
            )
        values[target] = kernel(op, values[source]).reshape(op.output["shape"])


def _quantize(op: HostOp, x: Array) -> Array:
    output = op.output
    return quantize(
        x, scale=output["scale"], zero_point=output["zero_point"], dtype=output["dtype"]
    )


def _dequantize(op: HostOp, x: Array) -> Array:
    centred = x.astype(np.float64) - op.input["zero_point"]
    real: Array = (op.input["scale"] * centred).astype(np.float32)
    return real


def _softmax(op: HostOp, x: Array) -> Array:
    return softmax(x.astype(np.int8), op.input["scale"], op.attributes["beta"])


def _reshape(op: HostOp, x: Array) -> Array:
    return x


_KERNELS: dict[str, Callable[[HostOp, Array], Array]] = {
    "Quantize": _quantize,
    "Dequantize": _dequantize,
    "Softmax": _softmax,
    "Reshape": _reshape,
}
