# SPDX-License-Identifier: BSD-2-Clause
"""Files of the model builder, as LiteRT and the schema's reader see them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tflite

from celosia.errors import InputError
from celosia.graph.ir import Activation, DType, Quantization
from celosia_sim.litert import run_litert
from celosia_sim.tflite_writer import ModelBuilder, Options, per_channel, per_tensor

IMAGE = (1, 9, 7, 4)
SOURCE, OUTPUT = per_tensor(0.5, 3), per_tensor(0.7, -5)
WEIGHTS = np.random.default_rng(1).integers(-127, 128, (6, 3, 3, 4)).astype(np.int8)
BIAS = np.arange(6, dtype=np.int32) * 100

Append = Callable[[ModelBuilder, int], int]
OPERATORS: dict[str, tuple[Append, tuple[int, ...]]] = {
    "CONV_2D": (
        lambda m, x: m.conv_2d(
            x, WEIGHTS, BIAS, per_channel([0.01] * 6), OUTPUT, stride=(2, 1), padding="SAME"
        ),
        (1, 5, 7, 6),
    ),
    "DEPTHWISE_CONV_2D": (
        lambda m, x: m.depthwise_conv_2d(
            x,
            WEIGHTS[:1].repeat(2, axis=3),
            None,
            per_tensor(0.01),
            OUTPUT,
            dilation=(2, 1),
            padding="VALID",
        ),
        (1, 5, 5, 8),
    ),
    "FULLY_CONNECTED": (
        lambda m, x: m.fully_connected(
            x, WEIGHTS[:, 0, 0], BIAS, per_tensor(0.01), OUTPUT, keep_num_dims=True
        ),
        (1, 9, 7, 6),
    ),
    "AVERAGE_POOL_2D": (
        lambda m, x: m.average_pool_2d(x, window=(2, 3), stride=(2, 2), padding="SAME"),
        (1, 5, 4, 4),
    ),
    "MAX_POOL_2D": (lambda m, x: m.max_pool_2d(x, window=(2, 3), stride=(3, 2)), (1, 3, 3, 4)),
    "MEAN": (lambda m, x: m.mean(x, (1, 2), OUTPUT), (1, 4)),
    "PAD": (lambda m, x: m.pad(x, [(0, 0), (1, 2), (0, 3), (0, 0)]), (1, 12, 10, 4)),
    "ADD": (lambda m, x: m.add(x, x, OUTPUT, activation=Activation.RELU6), IMAGE),
    "LOGISTIC": (lambda m, x: m.logistic(x), IMAGE),
    "TANH": (lambda m, x: m.tanh(x), IMAGE),
    "RELU": (lambda m, x: m.relu(x, OUTPUT), IMAGE),
    "RELU6": (lambda m, x: m.relu6(x, OUTPUT), IMAGE),
    "RELU_N1_TO_1": (lambda m, x: m.relu_n1_to_1(x, OUTPUT), IMAGE),
    "LEAKY_RELU": (lambda m, x: m.leaky_relu(x, OUTPUT, alpha=0.2), IMAGE),
    "HARD_SWISH": (lambda m, x: m.hard_swish(x, OUTPUT), IMAGE),
    "QUANTIZE": (lambda m, x: m.quantize(x, OUTPUT, DType.UINT8), IMAGE),
    "DEQUANTIZE": (lambda m, x: m.dequantize(x), IMAGE),
    "SOFTMAX": (lambda m, x: m.softmax(x, beta=0.5), IMAGE),
    "RESHAPE": (lambda m, x: m.reshape(x, (1, -1, 2), shape_tensor=False), (1, 126, 2)),
    "SQUEEZE": (lambda m, x: m.squeeze(x, [0]), (9, 7, 4)),
    "EXPAND_DIMS": (lambda m, x: m.expand_dims(m.reshape(x, (1, 63, 4)), -2), (1, 63, 1, 4)),
    "CONCATENATION": (lambda m, x: m.concatenation([x, x, x]), (1, 9, 7, 12)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_litert_runs_every_operator(name: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is the reference; install celosia[all]")
    append, shape = OPERATORS[name]
    model = ModelBuilder()
    x = model.input("x", IMAGE, SOURCE)
    result = append(model, x)
    model.output(result)
    assert model.shape(result) == shape
    data = model.build()
    inputs = {x: np.random.default_rng(2).integers(-128, 128, IMAGE).astype(np.int8)}
    found = run_litert(data, inputs, [result])[result]
    assert found.shape == shape
    assert found.dtype == model.dtype(result).numpy
    assert len(np.unique(found)) > 1
    assert operator_names(data)[-1] == name


def operator_names(data: bytes) -> list[str]:
    file = tflite.Model.GetRootAs(data, 0)
    subgraph = file.Subgraphs(0)
    codes = [
        file.OperatorCodes(subgraph.Operators(index).OpcodeIndex()).BuiltinCode()
        for index in range(subgraph.OperatorsLength())
    ]
    return [tflite.opcode2name(code) for code in codes]


def test_tensors_are_stored_as_given() -> None:
    model = ModelBuilder("described")
    model.input("x", IMAGE, SOURCE)
    weights = Quantization((0.25, 0.5), (0, 0), axis=3)
    model.constant("w", WEIGHTS[:, :, :, :2], weights)
    model.constant("b", np.array([-(1 << 31), (1 << 31) - 1], np.int32))
    model.tensor("scalar", (), SOURCE)
    file = tflite.Model.GetRootAs(model.build(), 0)
    assert file.Version() == 3
    assert file.Description() == b"described"
    subgraph = file.Subgraphs(0)
    tensors = [subgraph.Tensors(index) for index in range(subgraph.TensorsLength())]
    assert [t.Name() for t in tensors] == [b"x", b"w", b"b", b"scalar"]
    assert tensors[0].ShapeAsNumpy().tolist() == list(IMAGE)
    assert tensors[0].Buffer() == 0
    quantization = tensors[1].Quantization()
    assert quantization.ScaleAsNumpy().tolist() == [0.25, 0.5]
    assert quantization.ZeroPointAsNumpy().tolist() == [0, 0]
    assert quantization.QuantizedDimension() == 3
    stored = file.Buffers(tensors[1].Buffer()).DataAsNumpy()
    np.testing.assert_array_equal(stored.view(np.int8), WEIGHTS[:, :, :, :2].ravel())
    bias = file.Buffers(tensors[2].Buffer()).DataAsNumpy()
    assert bias.view("<i4").tolist() == [-(1 << 31), (1 << 31) - 1]
    assert tensors[3].HasRank()
    assert tensors[3].ShapeLength() == 0


def test_constants_are_aligned() -> None:
    model = ModelBuilder()
    for size in (1, 3, 17, 40):
        model.constant("c", np.arange(size, dtype=np.int8))
    data = model.build()
    for size in (17, 40):
        assert data.index(bytes(range(size))) % 16 == 0


def test_scales_are_rounded_to_single_precision() -> None:
    assert per_tensor(0.1).scale == float(np.float32(0.1))
    assert per_channel([0.1, 0.2], axis=3) == Quantization(
        (float(np.float32(0.1)), float(np.float32(0.2))), (0, 0), 3
    )


def test_unusual_operators_can_be_written() -> None:
    model = ModelBuilder()
    x = model.input("x", (1, 4), SOURCE)
    result = model.tensor("y", (1, 4), OUTPUT)
    model.operator("L2_NORMALIZATION", [x, -1], [result], Options("L2NormOptions", {}), version=2)
    model.output(result)
    assert operator_names(model.build()) == ["L2_NORMALIZATION"]


def test_litert_refusals_are_input_errors() -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is the reference; install celosia[all]")
    with pytest.raises(InputError, match="LiteRT refuses the model"):
        run_litert(b"no model at all", {}, [])
    model = ModelBuilder()
    x = model.input("x", (1, 4), SOURCE)
    model.output(model.relu(x, OUTPUT))
    with pytest.raises(InputError, match="LiteRT refuses"):
        run_litert(model.build(), {x: np.zeros((1, 5), np.int8)}, [])
