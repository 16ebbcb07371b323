# SPDX-License-Identifier: BSD-2-Clause
"""A graph with every kind of operation, built without a file."""

from __future__ import annotations

import numpy as np
import pytest

from celosia.graph.ir import (
    Activation,
    Add,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    DType,
    Elementwise,
    FullyConnected,
    Function,
    Graph,
    Lookup,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Padding,
    Quantization,
    Quantize,
    Reshape,
    ResidualAdd,
    Softmax,
    Table,
    Tensor,
)

A = Quantization((0.5,), (-3,))
B = Quantization((0.25,), (7,))
LOGISTIC = Quantization((1 / 256,), (-128,))
NONE = Activation.NONE


def _ops() -> list[tuple[Op, tuple[int, ...], Quantization | None]]:
    """Operations in order, each with its result's shape and quantization; op n computes n + 1."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return random.integers(-127, 128, shape).astype(np.int8)

    def bias(count: int) -> np.ndarray:
        return random.integers(-999, 999, count).astype(np.int32)

    reverse = tuple(range(127, -129, -1))
    conv = {"stride": (2, 1), "dilation": (1, 2), "activation": Activation.RELU6}
    pool = {"window": (2, 2), "stride": (1, 1), "padding": Padding(0, 1, 1, 0), "activation": NONE}
    return [
        (Quantize(0, [0], 1), (1, 6, 6, 2), A),
        (
            Conv2D(
                1,
                [1],
                2,
                weights=weights(4, 3, 2, 2),
                bias=bias(4),
                weight_scales=(0.1, 0.2, 0.3, 0.4),
                padding=Padding(1, 1, 0, 2),
                **conv,  # type: ignore[arg-type]
            ),
            (1, 3, 6, 4),
            A,
        ),
        (
            DepthwiseConv2D(
                2,
                [2],
                3,
                weights=weights(3, 2, 8),
                bias=bias(8),
                weight_scales=(0.125,) * 8,
                padding=Padding(2, 1, 1, 1),
                multiplier=2,
                epilogue=Table(reverse, A),
                **conv,  # type: ignore[arg-type]
            ),
            (1, 2, 6, 8),
            B,
        ),
        (AveragePool2D(3, [3], 4, **pool), (1, 2, 6, 8), B),  # type: ignore[arg-type]
        (MaxPool2D(4, [4], 5, clamp=(-20, 100), **pool), (1, 2, 6, 8), B),  # type: ignore[arg-type]
        (Add(5, [5, 100], 6, activation=Activation.RELU), (1, 2, 6, 8), A),
        (
            Elementwise(
                6,
                [6],
                7,
                function=Function.LEAKY_RELU,
                alpha=0.1,
                epilogue=ResidualAdd(3, A, NONE, True, 9, "sum"),
            ),
            (1, 2, 6, 8),
            B,
        ),
        (Concatenation(7, [7, 3], 8, axis=3), (1, 2, 6, 16), B),
        (Pad(8, [8], 9, amounts=((0, 0), (1, 0), (0, 0), (0, 2))), (1, 3, 6, 18), B),
        (Mean(9, [9], 10, keep_dims=True), (1, 1, 1, 18), A),
        (Reshape(10, [10], 11), (1, 18), A),
        (
            FullyConnected(
                11,
                [11],
                12,
                weights=weights(5, 18),
                bias=bias(5),
                weight_scales=(0.01,) * 5,
                activation=NONE,
            ),
            (1, 5),
            A,
        ),
        (Lookup(12, [12], 13, values=reverse), (1, 5), B),
        (Elementwise(13, [13], 14, function=Function.LOGISTIC), (1, 5), LOGISTIC),
        (Softmax(14, [14], 15, beta=2.0), (1, 5), LOGISTIC),
        (Dequantize(15, [15], 16), (1, 5), None),
    ]


@pytest.fixture
def graph() -> Graph:
    """16 operations, of which operation n computes tensor n + 1; tensor 100 is a constant."""
    tensors = {0: Tensor("input", (1, 6, 6, 2), DType.FLOAT32)}
    ops = []
    for op, shape, quantization in _ops():
        dtype = DType.FLOAT32 if quantization is None else DType.INT8
        tensors[op.output] = Tensor(f"t{op.output}", shape, dtype, quantization)
        ops.append(op)
    constant = np.arange(8, dtype=np.int8)
    tensors[100] = Tensor("constant", (8,), DType.INT8, B, constant)
    return Graph("all", tensors, ops, [0], [16])
