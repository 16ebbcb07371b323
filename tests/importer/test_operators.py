# SPDX-License-Identifier: BSD-2-Clause
"""Each supported operator arrives in the graph with all its attributes."""

from __future__ import annotations

from collections.abc import Callable

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
    MaxPool2D,
    Mean,
    Pad,
    Padding,
    Quantization,
    Quantize,
    Reshape,
    Softmax,
)
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

Load = Callable[[bytes], Graph]

IN = per_tensor(0.5, -3)
OUT = per_tensor(0.25, 7)


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-127, 128, shape).astype(np.int8)


def biases(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-5000, 5000, count).astype(np.int32)


def image(
    shape: tuple[int, ...] = (1, 9, 8, 3), quantization: Quantization = IN
) -> tuple[ModelBuilder, int]:
    builder = ModelBuilder()
    return builder, builder.input("image", shape, quantization)


def finish(builder: ModelBuilder, result: int, load: Load) -> Graph:
    builder.output(result)
    return load(builder.build())


@pytest.mark.parametrize(
    ("padding", "stride", "dilation", "expected"),
    [
        ("VALID", (1, 1), (1, 1), Padding()),
        ("SAME", (1, 1), (1, 1), Padding(1, 1, 0, 1)),
        # 9 rows by stride 2 are 5 positions, which reach over 11; 8 columns are 4, over 8.
        ("SAME", (2, 2), (1, 1), Padding(1, 1, 0, 0)),
        # 9 rows by stride 3 are 3 positions over 9; a window of 2 by dilation 3 reaches over 4.
        ("SAME", (3, 1), (1, 3), Padding(0, 0, 1, 2)),
    ],
)
def test_conv_2d(
    padding: str,
    stride: tuple[int, int],
    dilation: tuple[int, int],
    expected: Padding,
    load: Load,
) -> None:
    builder, x = image()
    weights, bias = numbers((4, 3, 2, 3)), biases(4)
    scales = per_channel([0.01, 0.02, 0.003, 0.5])
    result = builder.conv_2d(
        x,
        weights,
        bias,
        scales,
        OUT,
        stride=stride,
        dilation=dilation,
        padding=padding,  # type: ignore[arg-type]
        activation=Activation.RELU6,
    )
    graph = finish(builder, result, load)
    (op,) = graph.ops
    assert isinstance(op, Conv2D)
    assert np.array_equal(op.weights, weights)
    assert np.array_equal(op.bias, bias)
    assert op.weight_scales == scales.scales
    assert (op.stride, op.dilation, op.padding) == (stride, dilation, expected)
    assert op.activation is Activation.RELU6
    assert op.epilogue is None
    assert op.clamp == (-128, 127)
    assert op.inputs == graph.inputs
    assert graph.outputs == [op.output]
    assert graph.tensors[op.output].quantization == OUT


def test_missing_bias_is_zero(load: Load) -> None:
    builder, x = image()
    result = builder.conv_2d(x, numbers((4, 1, 1, 3)), None, per_tensor(0.01), OUT)
    (op,) = finish(builder, result, load).ops
    assert isinstance(op, Conv2D)
    assert op.bias.tolist() == [0] * 4
    assert op.bias.dtype == np.int32


def test_per_tensor_scale_is_repeated(load: Load) -> None:
    builder, x = image()
    result = builder.conv_2d(x, numbers((4, 1, 1, 3)), biases(4), per_tensor(0.01), OUT)
    (op,) = finish(builder, result, load).ops
    assert isinstance(op, Conv2D)
    assert op.weight_scales == per_tensor(0.01).scales * 4


def test_wrong_axis_of_equal_scales_does_not_matter(load: Load) -> None:
    builder, x = image()
    scales = Quantization(per_tensor(0.01).scales * 4, (0,) * 4, axis=3)
    result = builder.conv_2d(x, numbers((4, 1, 1, 3)), biases(4), scales, OUT)
    (op,) = finish(builder, result, load).ops
    assert isinstance(op, Conv2D)
    assert op.weight_scales == scales.scales


def test_depthwise_conv_2d(load: Load) -> None:
    builder, x = image()
    weights, bias = numbers((1, 3, 2, 6)), biases(6)
    scales = per_channel(np.linspace(0.01, 0.1, 6).tolist(), axis=3)
    result = builder.depthwise_conv_2d(
        x, weights, bias, scales, OUT, stride=(2, 1), padding="SAME", activation=Activation.RELU
    )
    graph = finish(builder, result, load)
    (op,) = graph.ops
    assert isinstance(op, DepthwiseConv2D)
    assert op.multiplier == 2
    assert np.array_equal(op.weights, weights[0])
    assert op.weight_scales == scales.scales
    assert (op.stride, op.padding) == ((2, 1), Padding(1, 1, 0, 1))
    assert graph.tensors[op.output].shape == (1, 5, 8, 6)


@pytest.mark.parametrize("channels", [1, 4])
def test_fully_connected(channels: int, load: Load) -> None:
    builder, x = image((1, 2, 3, 4))
    weights, bias = numbers((channels, 24)), biases(channels)
    scales = per_channel(np.linspace(0.01, 0.02, channels).tolist())
    graph = finish(builder, builder.fully_connected(x, weights, bias, scales, OUT), load)
    (op,) = graph.ops
    assert isinstance(op, FullyConnected)
    assert np.array_equal(op.weights, weights)
    assert op.per_channel is (channels > 1)
    assert graph.tensors[op.output].shape == (1, channels)


def test_fully_connected_keeps_dimensions(load: Load) -> None:
    builder, x = image((1, 2, 3, 4))
    result = builder.fully_connected(
        x, numbers((5, 4)), None, per_tensor(0.01), OUT, keep_num_dims=True
    )
    assert finish(builder, result, load).tensors[result].shape == (1, 2, 3, 5)


@pytest.mark.parametrize("kind", [AveragePool2D, MaxPool2D])
def test_pools(kind: type[AveragePool2D] | type[MaxPool2D], load: Load) -> None:
    builder, x = image()
    method = builder.average_pool_2d if kind is AveragePool2D else builder.max_pool_2d
    result = method(
        x, window=(2, 3), stride=(2, 2), padding="SAME", activation=Activation.RELU_N1_TO_1
    )
    (op,) = finish(builder, result, load).ops
    assert isinstance(op, kind)
    assert (op.window, op.stride) == ((2, 3), (2, 2))
    assert op.padding == Padding(0, 1, 0, 1)
    assert op.activation is Activation.RELU_N1_TO_1


@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize("axes", [(1, 2), (2, 1), (-3, -2)])
def test_mean(axes: tuple[int, int], keep_dims: bool, load: Load) -> None:
    builder, x = image()
    graph = finish(builder, builder.mean(x, axes, OUT, keep_dims=keep_dims), load)
    (op,) = graph.ops
    assert isinstance(op, Mean)
    assert op.keep_dims is keep_dims
    assert graph.tensors[op.output].shape == ((1, 1, 1, 3) if keep_dims else (1, 3))


def test_add_of_tensors(load: Load) -> None:
    builder, x = image()
    other = builder.input("other", (1, 9, 8, 3), OUT)
    (op,) = finish(builder, builder.add(x, other, IN, activation=Activation.RELU), load).ops
    assert isinstance(op, Add)
    assert op.inputs == [x, other]
    assert op.activation is Activation.RELU


@pytest.mark.parametrize("shape", [(), (1,), (3,), (8, 1), (1, 9, 8, 3)])
@pytest.mark.parametrize("constant_first", [False, True])
def test_add_of_constant(shape: tuple[int, ...], constant_first: bool, load: Load) -> None:
    builder, x = image()
    values = numbers(shape)
    constant = builder.constant("constant", values, OUT)
    operands = (constant, x) if constant_first else (x, constant)
    graph = finish(builder, builder.add(*operands, IN), load)
    (op,) = graph.ops
    assert op.inputs == [x, constant]
    data = graph.tensors[constant].data
    assert data is not None
    assert np.array_equal(data, values.reshape(shape or (1,)))


def test_pad(load: Load) -> None:
    builder, x = image()
    amounts = ((0, 0), (1, 2), (3, 0), (0, 1))
    graph = finish(builder, builder.pad(x, amounts), load)
    (op,) = graph.ops
    assert isinstance(op, Pad)
    assert op.amounts == amounts
    assert graph.tensors[op.output].shape == (1, 12, 11, 4)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_padv2_with_zero_point(dtype: type, load: Load) -> None:
    builder, x = image()
    amounts = builder.constant("amounts", np.array([(0, 0), (1, 2), (0, 0), (0, 0)], dtype))
    value = builder.constant("value", np.array([IN.zero_point], np.int8), IN)
    result = builder.tensor("result", (1, 12, 8, 3), IN)
    builder.operator("PADV2", [x, amounts, value], [result])
    (op,) = finish(builder, result, load).ops
    assert isinstance(op, Pad)
    assert op.amounts == ((0, 0), (1, 2), (0, 0), (0, 0))


def test_reshapes(load: Load) -> None:
    builder, x = image((1, 4, 1, 3))
    y = builder.squeeze(x, [-2])
    y = builder.expand_dims(y, -1)
    y = builder.reshape(y, (1, -1))
    y = builder.reshape(y, (1, 2, 6), shape_tensor=False)
    y = builder.expand_dims(y, 1)
    y = builder.squeeze(y)
    graph = finish(builder, y, load)
    assert [type(op) for op in graph.ops] == [Reshape] * 6
    shapes = [graph.tensors[op.output].shape for op in graph.ops]
    assert shapes == [(1, 4, 3), (1, 4, 3, 1), (1, 12), (1, 2, 6), (1, 1, 2, 6), (2, 6)]


@pytest.mark.parametrize("axis", [3, -1, 1])
def test_concatenation(axis: int, load: Load) -> None:
    builder, x = image()
    other = builder.input("other", (1, 9, 8, 3), IN)
    (op,) = finish(builder, builder.concatenation([x, other, x], axis), load).ops
    assert isinstance(op, Concatenation)
    assert op.axis == axis % 4
    assert op.inputs == [x, other, x]


def test_softmax(load: Load) -> None:
    builder, x = image((1, 10))
    (op,) = finish(builder, builder.softmax(x, beta=0.5), load).ops
    assert isinstance(op, Softmax)
    assert op.beta == 0.5


@pytest.mark.parametrize("function", list(Function))
def test_functions(function: Function, load: Load) -> None:
    builder, x = image()
    y = {
        Function.LOGISTIC: lambda: builder.logistic(x),
        Function.TANH: lambda: builder.tanh(x),
        Function.RELU: lambda: builder.relu(x, OUT),
        Function.RELU6: lambda: builder.relu6(x, OUT),
        Function.RELU_N1_TO_1: lambda: builder.relu_n1_to_1(x, OUT),
        Function.LEAKY_RELU: lambda: builder.leaky_relu(x, OUT, alpha=0.125),
        Function.HARD_SWISH: lambda: builder.hard_swish(x, OUT),
        Function.REQUANTIZE: lambda: builder.quantize(x, OUT),
    }[function]()
    (op,) = finish(builder, y, load).ops
    assert isinstance(op, Elementwise)
    assert op.function is function
    assert op.alpha == (0.125 if function is Function.LEAKY_RELU else 0)


def test_float_edges(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4), dtype=DType.FLOAT32)
    y = builder.dequantize(builder.relu(builder.quantize(x, IN), OUT))
    graph = finish(builder, y, load)
    assert [type(op) for op in graph.ops] == [Quantize, Elementwise, Dequantize]
    assert graph.tensors[x].dtype is DType.FLOAT32
    assert graph.tensors[x].quantization is None


def test_uint8_edges(load: Load) -> None:
    builder = ModelBuilder()
    bytes_in = per_tensor(0.5, 128)
    x = builder.input("x", (1, 4), bytes_in, DType.UINT8)
    y = builder.relu(builder.quantize(x, IN), OUT)
    graph = finish(builder, builder.quantize(y, bytes_in, DType.UINT8), load)
    assert [op.kind for op in graph.ops] == ["Elementwise", "Elementwise", "Elementwise"]
    assert graph.tensors[x].dtype is DType.UINT8
    assert graph.tensors[graph.outputs[0]].dtype is DType.UINT8


def test_float_to_uint8_to_int8(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4), dtype=DType.FLOAT32)
    y = builder.quantize(x, per_tensor(0.5, 128), DType.UINT8)
    graph = finish(builder, builder.quantize(y, IN), load)
    assert [type(op) for op in graph.ops] == [Quantize, Elementwise]


def test_shape_options_without_options(load: Load) -> None:
    """RESHAPE needs no options where the shape is an operand."""
    builder, x = image((1, 4))
    shape = builder.constant("shape", np.array([2, 2], np.int32))
    result = builder.tensor("result", (2, 2), IN)
    builder.operator("RESHAPE", [x, shape], [result])
    assert finish(builder, result, load).ops[0].kind == "Reshape"
