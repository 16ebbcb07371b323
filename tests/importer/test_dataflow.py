# SPDX-License-Identifier: BSD-2-Clause
"""Models that are not quantized, and tensors that nothing or too much computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from celosia.errors import ModelError
from celosia.graph.ir import DType, Graph
from celosia_sim.tflite_writer import ModelBuilder, per_tensor

Load = Callable[[bytes], Graph]

IN = per_tensor(0.5, -3)
OUT = per_tensor(0.25, 7)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.int8)


# --- models that are not quantized ---------------------------------------------------------------


def float_model(weights_type: type) -> bytes:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4), dtype=DType.FLOAT32)
    for number in range(3):
        weights = builder.constant(f"w{number}", np.ones((4, 4), weights_type))
        y = builder.tensor(f"y{number}", (1, 4), dtype=DType.FLOAT32)
        builder.operator("FULLY_CONNECTED", [x, weights], [y])
        x = y
    builder.output(x)
    return builder.build()


@pytest.mark.parametrize("weights_type", [np.float32, np.int8])
def test_float_model(weights_type: type, load: Load) -> None:
    """Float and dynamic-range models get one problem that says how to quantize."""
    with pytest.raises(ModelError, match="representative_dataset") as caught:
        load(float_model(weights_type))
    (problem,) = caught.value.problems
    assert problem.reason.startswith("3 of 3 operators compute in floating point (0 FULLY_CONNECT")


def test_float_inside(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4), IN)
    builder.output(builder.quantize(builder.dequantize(x), OUT))
    with pytest.raises(ModelError, match="floating-point result is used inside of the model"):
        load(builder.build())


def test_uint8_inside(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4), IN)
    y = builder.quantize(x, per_tensor(0.5, 128), DType.UINT8)
    builder.output(builder.quantize(y, OUT))
    with pytest.raises(ModelError, match="UINT8 result is used inside of the model"):
        load(builder.build())


def test_uint8_model(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4), per_tensor(0.5, 128), DType.UINT8)
    y = builder.tensor("y", (1, 4), per_tensor(0.5, 128), DType.UINT8)
    builder.operator("RELU", [x], [y])
    builder.output(y)
    with pytest.raises(ModelError, match="UINT8 instead of INT8; convert .* int8 quantization"):
        load(builder.build())


# --- dataflow ------------------------------------------------------------------------------------


def relu_chain(*pairs: tuple[int, int], inputs: tuple[int, ...], outputs: tuple[int, ...]) -> bytes:
    builder = ModelBuilder()
    for index in range(4):
        builder.tensor(f"t{index}", (1, 4), IN)
    builder.constant("t4", ones(1, 4), IN)
    builder._inputs = list(inputs)
    builder._outputs = list(outputs)
    for source, result in pairs:
        builder.operator("RELU", [source], [result])
    return builder.build()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (relu_chain((1, 2), (0, 1), inputs=(0,), outputs=(2,)), "'t1': it is read before any"),
        (relu_chain((1, 1), inputs=(0,), outputs=(1,)), "'t1': it is read before any"),
        (relu_chain((0, 1), (0, 1), inputs=(0,), outputs=(1,)), "'t1': it is computed, but has"),
        (relu_chain((0, 0), inputs=(0,), outputs=(0,)), "'t0': it is computed, but has a value"),
        (relu_chain((0, 4), inputs=(0,), outputs=(4,)), "'t4': it is computed, but has a value"),
        (relu_chain((0, 1), inputs=(0,), outputs=(2,)), "'t2': this output of the model is never"),
        (relu_chain((0, 1), inputs=(0,), outputs=(4,)), "output of the model is a constant"),
        (relu_chain((0, 1), inputs=(4,), outputs=(1,)), "input of the model is a constant"),
        (relu_chain((0, 1), inputs=(), outputs=(1,)), "the model has no input"),
        (relu_chain((0, 1), inputs=(0,), outputs=()), "the model has no output"),
        (relu_chain((0, 1), inputs=(0, 0), outputs=(1,)), "an input of the model is named twice"),
        (relu_chain((0, 1), inputs=(0,), outputs=(1, 1)), "an output of the model is named twice"),
        (relu_chain((0, 1), inputs=(-1, 0), outputs=(1,)), "an input of the model is left out"),
        (relu_chain((0, 9), inputs=(0,), outputs=(1,)), "outputs of operator 0 name tensor 9 of 5"),
        (relu_chain((-2, 1), inputs=(0,), outputs=(1,)), "inputs of operator 0 name tensor -2 of"),
        (relu_chain((-1, 1), inputs=(0,), outputs=(1,)), "its input 0 is left out"),
        (relu_chain(inputs=(0,), outputs=(0,)), "it has no operators"),
    ],
)
def test_dataflow(data: bytes, message: str, load: Load) -> None:
    with pytest.raises(ModelError, match=message):
        load(data)
