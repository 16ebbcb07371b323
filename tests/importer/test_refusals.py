# SPDX-License-Identifier: BSD-2-Clause
"""Operators without weights that must be refused, and how; how problems are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celosia.errors import ModelError
from celosia.graph.ir import DType, Graph, Quantization
from celosia_sim.tflite_writer import ModelBuilder, Options, per_channel, per_tensor

Load = Callable[[bytes], Graph]
#: Arguments of ``add_operator`` in conftest.py.
Case = tuple[tuple[Any, ...], dict[str, Any]]

IN = per_tensor(0.5, -3)
OUT = per_tensor(0.25, 7)
UNIT = per_tensor(0.01)
SHAPE = (1, 6, 5, 4)
CONV = {"StrideH": 1, "StrideW": 1, "Padding": 0}
POOL = {**CONV, "FilterHeight": 2, "FilterWidth": 2}


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.int8)


def zeros32(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.int32)


def raw(*args: Any, **kwargs: Any) -> Case:
    return args, kwargs


def pool(name: str = "MAX_POOL_2D", quantization: Quantization = IN, **fields: Any) -> Case:
    options = Options("Pool2DOptions", {**POOL, **fields})
    return raw(name, quantization=quantization, options=options)


CASES: dict[str, tuple[Case, str]] = {
    "pool between quantizations": (pool(quantization=OUT), "pooling does not convert"),
    "pool without window": (pool(FilterWidth=0), "FilterWidth is 0"),
    "average pool between quantizations": (
        pool("AVERAGE_POOL_2D", OUT),
        "pooling does not convert",
    ),
    "mean over channels": (
        raw(
            "MEAN", np.array([3], np.int32), shape=(1, 6, 5), options=Options("ReducerOptions", {})
        ),
        r"MEAN over axes \[3\] is not supported",
    ),
    "mean of an overflowing scale": (
        raw(
            "MEAN",
            np.array([1, 2], np.int32),
            shape=(1, 4),
            quantization=per_tensor(1e-20),
            options=Options("ReducerOptions", {}),
        ),
        "rescaling by .* overflows",
    ),
    "too many integers": (
        raw("MEAN", np.zeros(64, np.int32), shape=(1, 4), options=Options("ReducerOptions", {})),
        "it has 64 elements",
    ),
    "float axes": (
        raw(
            "MEAN",
            np.array([1, 2], np.float32),
            shape=(1, 4),
            options=Options("ReducerOptions", {}),
        ),
        "FLOAT32 instead of INT32 or INT64|compute in floating point",
    ),
    "sum that does not broadcast": (
        raw("ADD", (ones(3), UNIT)),
        r"\[3\] does not broadcast to \[1, 6, 5, 4\]",
    ),
    "sum of a tiny output scale": (
        raw("ADD", (ones(4), UNIT), quantization=per_tensor(1e-9)),
        r"aborts on it: its output's scale 1e-09 is not above 0.5 / 2\^19",
    ),
    "sum of a huge output scale": (
        raw("ADD", (ones(4), UNIT), quantization=per_tensor(2.0**108)),
        r"aborts on it: its output's scale 3.24519e\+32 is beyond 2\^108",
    ),
    "sum without quantization": (raw("ADD", (ones(4), None)), "INT8 without quantization"),
    "padding with another value": (
        raw("PADV2", np.zeros((4, 2), np.int32), (ones(1), IN), quantization=IN),
        "padding with 1, which is not the zero point -3",
    ),
    "padding with another quantization": (
        raw("PADV2", np.zeros((4, 2), np.int32), (np.full(1, -3, np.int8), OUT), quantization=IN),
        "value to pad with and the output differ",
    ),
    "padding with two values": (
        raw("PADV2", np.zeros((4, 2), np.int32), (ones(2), IN), quantization=IN),
        "value to pad with has 2 elements",
    ),
    "negative padding": (
        raw("PAD", np.full((4, 2), -1, np.int32), quantization=IN),
        "amounts .* do not go with",
    ),
    "padding of three dimensions": (
        raw("PAD", zeros32(3, 2), quantization=IN),
        "amounts .* do not go with",
    ),
    "padding between quantizations": (raw("PAD", zeros32(4, 2)), "differ in quantization"),
    "padding of the batch": (
        raw(
            "PAD",
            np.array([[1, 0], [0, 0], [0, 0], [0, 0]], np.int32),
            shape=(2, 6, 5, 4),
            quantization=IN,
        ),
        "its batch size is 2",
    ),
    "reshape between quantizations": (
        raw("RESHAPE", np.array([1, 120], np.int32), shape=(1, 120)),
        "differ in quantization, though the bytes stay",
    ),
    "reshape to other elements": (
        raw("RESHAPE", np.array([1, 7], np.int32), shape=(1, 7), quantization=IN),
        "differ in elements",
    ),
    "reshape with two unknowns": (
        raw("RESHAPE", np.array([-1, -1], np.int32), shape=(1, 120), quantization=IN),
        r"which is \[-1, -1\]",
    ),
    "reshape to nothing": (raw("RESHAPE", shape=(1, 120), quantization=IN), "it has no new shape"),
    "squeeze of a dimension that is not 1": (
        raw(
            "SQUEEZE",
            shape=(1, 6, 4),
            quantization=IN,
            options=Options("SqueezeOptions", {"SqueezeDims": (2,)}),
        ),
        r"dimension 2 of \[1, 6, 5, 4\] cannot be dropped",
    ),
    "squeeze of too many dimensions": (
        raw(
            "SQUEEZE", quantization=IN, options=Options("SqueezeOptions", {"SqueezeDims": (0,) * 9})
        ),
        "drops more than 4",
    ),
    "expansion beyond": (
        raw("EXPAND_DIMS", np.array([9], np.int32), quantization=IN),
        r"axis \[9\] cannot be added",
    ),
    "five dimensions": (
        raw("EXPAND_DIMS", np.array([0], np.int32), shape=(1, 1, 6, 5, 4), quantization=IN),
        "5 dimensions, not 1 to 4",
    ),
    "concatenation of a constant": (
        raw(
            "CONCATENATION",
            (ones(*SHAPE), IN),
            shape=(1, 6, 5, 8),
            quantization=IN,
            options=Options("ConcatenationOptions", {"Axis": 3}),
        ),
        "input 1 is a constant, which is not folded",
    ),
    "concatenation between quantizations": (
        raw("CONCATENATION", options=Options("ConcatenationOptions", {"Axis": 3})),
        "input 0 and output differ in quantization",
    ),
    "concatenation with an activation": (
        raw(
            "CONCATENATION",
            quantization=IN,
            options=Options("ConcatenationOptions", {"Axis": 3, "FusedActivationFunction": 1}),
        ),
        "a fused activation is not supported",
    ),
    "concatenation beyond": (
        raw("CONCATENATION", quantization=IN, options=Options("ConcatenationOptions", {"Axis": 4})),
        "has no axis 4",
    ),
    "softmax of another scale": (
        raw("SOFTMAX", options=Options("SoftmaxOptions", {"Beta": 1.0})),
        r"scale 0\.25 and zero point 7 instead of 0\.00390625 and -128",
    ),
    "softmax of a tiny beta": (
        raw(
            "SOFTMAX",
            quantization=per_tensor(1 / 256, -128),
            options=Options("SoftmaxOptions", {"Beta": 1e-12}),
        ),
        "is out of range",
    ),
    "softmax of no number": (
        raw(
            "SOFTMAX",
            quantization=per_tensor(1 / 256, -128),
            options=Options("SoftmaxOptions", {"Beta": float("nan")}),
        ),
        "beta nan .* is out of range",
    ),
    "logistic of another scale": (raw("LOGISTIC"), r"instead of 0\.00390625 and -128"),
    "tanh of another scale": (raw("TANH"), r"instead of 0\.0078125 and 0"),
    "hard swish of a tiny output scale": (
        raw("HARD_SWISH", quantization=per_tensor(1e-6)),
        "output's scale is too small",
    ),
    "negative slope": (
        raw("LEAKY_RELU", options=Options("LeakyReluOptions", {"Alpha": -0.5})),
        r"slope -0\.5 is not supported",
    ),
    "relu of a tiny output scale": (
        raw("RELU", quantization=per_tensor(1e-9)),
        "rescaling by 5e\\+08 overflows",
    ),
    "int16 result": (raw("QUANTIZE", dtype=DType.INT16), "type INT16 is not supported"),
    "result of two scales": (
        raw("RELU", quantization=per_channel([1, 2], 3)),
        "2 scales and 2 zero points instead of one each",
    ),
    "result of scale 0": (
        raw("RELU", quantization=Quantization((0.0,), (0,))),
        "scale 0 is no positive number",
    ),
    "result of no scale": (
        raw("RELU", quantization=Quantization((float("nan"),), (0,))),
        "scale nan is no positive number",
    ),
    "result of a zero point beyond": (
        raw("RELU", quantization=per_tensor(0.5, 128)),
        r"zero point 128 is not in -128\.\.127",
    ),
    "result without zero point": (
        raw("RELU", quantization=Quantization((0.5,), ())),
        "1 scales and 0 zero points",
    ),
    "result of batch 2": (raw("RELU", shape=(2, 3, 5, 4), quantization=IN), "its batch size is 2"),
    "result of no fixed shape": (
        raw("RELU", shape=(1, -1, 5, 4)),
        r"shape \[1, -1, 5, 4\] is not fixed",
    ),
    "result of a huge shape": (
        raw("RELU", shape=(1, 1 << 15, 1 << 15, 1 << 10)),
        "has more than 16777216 elements",
    ),
    "result of nine dimensions": (raw("RELU", shape=(1,) * 9), "9 dimensions of tensor"),
    "unsupported operator": (raw("SIN"), "this operator is not supported"),
    "control flow": (raw("WHILE"), "control flow cannot be compiled"),
    "custom operator": (raw("CUSTOM"), "custom operators are not supported"),
}


@pytest.mark.parametrize("name", CASES)
def test_refusal(name: str, refused: Callable[..., None]) -> None:
    (args, kwargs), message = CASES[name]
    refused(message, *args, **kwargs)


def two_inputs(build: Callable[[ModelBuilder, int, int], int]) -> bytes:
    builder = ModelBuilder()
    x = builder.input("x", SHAPE, IN)
    y = builder.input("y", (1, 6, 5, 1), IN)
    builder.output(build(builder, x, y))
    return builder.build()


def test_tensors_do_not_broadcast(load: Load) -> None:
    data = two_inputs(lambda builder, x, y: builder.add(x, y, OUT))
    with pytest.raises(ModelError, match="only a constant may broadcast"):
        load(data)


def test_computed_weights(load: Load) -> None:
    def build(builder: ModelBuilder, x: int, y: int) -> int:
        result = builder.tensor("result", SHAPE, OUT)
        builder.operator("CONV_2D", [x, y], [result], Options("Conv2DOptions", CONV))
        return result

    with pytest.raises(ModelError, match="input 1 must be a constant, and is computed"):
        load(two_inputs(build))


def test_constants_are_not_folded(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (4,), IN)
    a, b = (builder.constant(name, ones(4), UNIT) for name in "ab")
    builder.output(builder.add(x, builder.add(a, b, OUT), OUT))
    builder.output(builder.relu(a, OUT))
    with pytest.raises(ModelError) as caught:
        load(builder.build())
    reasons = [problem.reason for problem in caught.value.problems]
    assert reasons == [
        "both of its inputs are constants, which are not folded",
        "its input 0 is a constant, which is not folded",
    ]


def test_everything_at_once(load: Load) -> None:
    """All problems of a file come in one error, each with its place."""
    builder = ModelBuilder()
    x = builder.input("image", SHAPE, IN)
    y, z, logits, result = (builder.tensor(name, SHAPE, OUT) for name in "yzlr")
    weights = builder.constant("weights", ones(4, 1, 1, 4), per_tensor(0.1, 3))
    options = Options("Conv2DOptions", {**CONV, "StrideH": 0, "DilationWFactor": 0})
    builder.operator("SIN", [x], [y])
    builder.operator("CONV_2D", [y, weights], [z], options)
    builder.operator("GELU", [z], [logits])
    builder.operator("LOGISTIC", [logits], [result])
    builder.output(result)
    with pytest.raises(ModelError) as caught:
        load(builder.build())
    problems = caught.value.problems
    found = [(problem.operator_index, problem.operator, problem.tensor) for problem in problems]
    assert found == [
        (0, "SIN", None),
        (1, "CONV_2D", "weights"),
        (1, "CONV_2D", None),
        (1, "CONV_2D", None),
        (2, "GELU", None),
        (3, "LOGISTIC", "r"),
    ]
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("model.tflite: 6 problems")
    assert lines[1].startswith("  operator 0 SIN: this operator is not supported; ")
    assert lines[2].startswith("  operator 1 CONV_2D, tensor 'weights': the weights are asymm")


def test_a_tensor_is_told_once(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("image", (2, 6, 5, 4), IN)
    builder.output(builder.add(builder.relu(x, IN), builder.relu6(x, IN), OUT))
    with pytest.raises(ModelError) as caught:
        load(builder.build())
    told = [p.reason for p in caught.value.problems if p.tensor == "image"]
    assert told == ["its batch size is 2"]


def test_long_lists_are_cut(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("image", SHAPE, IN)
    for _ in range(ModelError.LISTED + 5):
        y = builder.tensor("y", SHAPE, OUT)
        builder.operator("SIN", [x], [y])
        x = y
    builder.output(x)
    with pytest.raises(ModelError, match="and 5 more") as caught:
        load(builder.build())
    assert len(caught.value.problems) == ModelError.LISTED + 5
