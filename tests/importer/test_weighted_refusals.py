# SPDX-License-Identifier: BSD-2-Clause
"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED that must be refused, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celosia.graph.ir import Quantization
from celosia_sim.tflite_writer import Options, per_channel, per_tensor

#: Arguments of ``add_operator`` in conftest.py.
Case = tuple[tuple[Any, ...], dict[str, Any]]

SHAPE = (1, 6, 5, 4)
UNIT = per_tensor(0.01)
CONV = {"StrideH": 1, "StrideW": 1, "Padding": 0}


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.int8)


def zeros32(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.int32)


def raw(*args: Any, **kwargs: Any) -> Case:
    return args, kwargs


def conv(weights: Any = None, *bias: Any, **fields: Any) -> Case:
    weights = (ones(4, 1, 1, 4), UNIT) if weights is None else weights
    return raw("CONV_2D", weights, *bias, options=Options("Conv2DOptions", {**CONV, **fields}))


def dense(weights: Any = None, *bias: Any, scale: float | None = None, **fields: Any) -> Case:
    weights = (ones(4, 120), UNIT) if weights is None else weights
    options = Options("FullyConnectedOptions", fields)
    result = {} if scale is None else {"quantization": per_tensor(scale)}
    return raw("FULLY_CONNECTED", weights, *bias, shape=(1, 4), options=options, **result)


def depthwise(weights: Any, shape: tuple[int, ...] = SHAPE, **fields: Any) -> Case:
    options = Options("DepthwiseConv2DOptions", {**CONV, "DepthMultiplier": 1, **fields})
    return raw("DEPTHWISE_CONV_2D", weights, shape=shape, options=options)


CASES: dict[str, tuple[Case, str]] = {
    "weights per channel of the wrong axis": (
        conv((ones(4, 1, 1, 4), per_channel([1, 2, 3, 4], 3))),
        "scales run along dimension 3 instead of 0",
    ),
    "too few weight scales": (
        conv((ones(4, 1, 1, 4), per_channel([1, 2, 3]))),
        "3 scales for 4 channels",
    ),
    "asymmetric weights": (conv((ones(4, 1, 1, 4), per_tensor(0.1, 3))), "weights are asymmetric"),
    "weights without scales": (conv(ones(4, 1, 1, 4)), "the weights have no scales"),
    "negative weight scale": (
        conv((ones(4, 1, 1, 4), Quantization((-0.5,), (0,)))),
        "no positive number",
    ),
    "infinite weight scale": (
        conv((ones(4, 1, 1, 4), Quantization((float("inf"),), (0,)))),
        "no positive number",
    ),
    "weights of a wrong type": (
        conv((np.ones((4, 1, 1, 4), np.uint8), UNIT)),
        "type is UINT8 instead of INT8",
    ),
    "weights of a wrong rank": (conv((ones(4, 4), UNIT)), r"\[4, 4\] have not 4 dimensions"),
    "grouped convolution": (conv((ones(4, 1, 1, 2), UNIT)), r"grouped convolution \(2 groups\)"),
    "wrong input channels": (conv((ones(4, 1, 1, 3), UNIT)), "weights for 3 channels read 4"),
    "short bias": (
        conv((ones(4, 1, 1, 4), UNIT), zeros32(3)),
        "bias has 3 elements for 4 channels",
    ),
    "bias of 64 bits": (
        conv((ones(4, 1, 1, 4), UNIT), np.zeros(4, np.int64)),
        "INT64 instead of INT32",
    ),
    "bias with a zero point": (
        conv((ones(4, 1, 1, 4), UNIT), (zeros32(4), per_tensor(0.005, 1))),
        "zero point of the bias is not 0",
    ),
    "stride of zero": (conv(StrideW=0), r"StrideW is 0, not in 1\.\.32767"),
    "negative dilation": (conv(DilationHFactor=-1), "DilationHFactor is -1"),
    "huge stride": (conv(StrideH=1 << 30), "StrideH is 1073741824"),
    "unknown padding": (conv(Padding=9), "padding 9 is neither SAME nor VALID"),
    "fused tanh": (conv(FusedActivationFunction=4), "fused activation TANH is not supported"),
    "unknown fused activation": (conv(FusedActivationFunction=77), "fused activation 77"),
    "wrong result shape": (
        conv((ones(3, 1, 1, 4), UNIT)),
        r"says \[1, 6, 5, 4\] for the result, which is \[1, 6, 5, 3\]",
    ),
    "window larger than the image": (
        conv((ones(4, 9, 1, 4), UNIT), Padding=1),
        "a window over 9 does not fit into 6",
    ),
    "convolution without options": (
        raw("CONV_2D", (ones(4, 1, 1, 4), UNIT)),
        "NONE where Conv2DOptions must be",
    ),
    "options of another operator": (
        raw("CONV_2D", (ones(4, 1, 1, 4), UNIT), options=Options("AddOptions", {})),
        "AddOptions where Conv2DOptions must be",
    ),
    "convolution without weights": (
        raw("CONV_2D", options=Options("Conv2DOptions", CONV)),
        "1 inputs and 1 outputs instead of 2 to 3",
    ),
    "convolution with weights left out": (conv((None, None)), "its input 1 is left out"),
    "overflowing scale": (conv((ones(4, 1, 1, 4), per_tensor(1e20))), "rescaling by .* overflows"),
    "overflowing sum": (
        conv((ones(4, 1, 1, 4), UNIT), (np.full(4, 2**31 - 100, np.int32), per_tensor(0.005))),
        "sum of products can overflow",
    ),
    "newer version": (
        raw("CONV_2D", version=9, options=Options("Conv2DOptions", CONV)),
        r"its version 9 is not in 1\.\.8",
    ),
    "depthwise multiplier that does not divide": (
        depthwise((ones(1, 1, 1, 6), UNIT)),
        "do not go with 4 input channels",
    ),
    "depthwise multiplier that is another": (
        depthwise((ones(1, 1, 1, 8), UNIT), (1, 6, 5, 8)),
        "DepthMultiplier is 1, the weights' is 2",
    ),
    "depthwise weights of two images": (
        depthwise((ones(2, 1, 1, 4), UNIT)),
        "do not go with 4 input channels",
    ),
    "dense rows that do not divide": (dense((ones(4, 7), UNIT)), "does not divide into rows of 7"),
    "dense weights of rank 1": (dense((ones(4), UNIT)), "have not 2 dimensions"),
    "shuffled dense weights": (dense(WeightsFormat=1), "weights are stored shuffled"),
    "dense bias of another scale": (
        dense((ones(4, 120), UNIT), (zeros32(4), per_tensor(0.5))),
        r"bias's scale 0\.5 is not input scale times weight scale, 0\.00499999989",
    ),
    "dense bias of nearly the same scale": (
        dense((ones(4, 120), UNIT), (zeros32(4), per_tensor(0.00500005)), scale=1e-6),
        r"bias's scale 0\.00500005\d+ is not input scale times weight scale, 0\.00\d+",
    ),
    "dense output of a scale below any bias's": (
        dense((ones(4, 120), UNIT), (zeros32(4), per_tensor(0.00500000035)), scale=5e-41),
        r"the output's scale \S+e-41 is too small .* of 0\.005",
    ),
    "dense that keeps dimensions it cannot": (
        dense(KeepNumDims=True),
        "rows of 4 meet weights for 120",
    ),
    "dense with an overflowing scale": (
        dense((ones(4, 120), per_tensor(1e20))),
        "scaled sum overflows",
    ),
    "relu6 fused at a tiny output scale": (
        raw(
            "CONV_2D",
            (ones(4, 1, 1, 4), per_tensor(1e-9)),
            quantization=per_tensor(2e-9),
            options=Options("Conv2DOptions", {**CONV, "FusedActivationFunction": 3}),
        ),
        "too small for RELU6",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusal(name: str, refused: Callable[..., None]) -> None:
    (args, kwargs), message = CASES[name]
    refused(message, *args, **kwargs)
