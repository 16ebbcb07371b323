# SPDX-License-Identifier: BSD-2-Clause
"""Models of all kinds through ``Device``: what the host does itself, several inputs and outputs,
tensors at any address; all bytes as the reference has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import HostOp, HostTensor, Image, ImageError
from celosia.errors import CelosiaError, InputError
from celosia.graph.ir import DType, Graph
from celosia.host.device import Device
from celosia.host.operations import run_operations
from celosia.host.signature import Signature
from celosia.importer import load_tflite
from celosia.known_answers import known_answers
from celosia.passes import optimize
from celosia_hw.config import AcceleratorConfig
from celosia_sim.random_models import random_inputs, random_model
from celosia_sim.reference import run as run_reference
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

from .conftest import connect
from .fake_device import FakeDevice, FakeLine

CONFIG = AcceleratorConfig(
    output_channels=8,
    input_channels=4,
    chain_rows=4,
    accumulator_bits=32,
    chain_bits=28,
    multiplier_bits=32,
    requantize_lanes=2,
)
Load = Callable[[bytes], tuple[Graph, Device]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The reference's graph of a model, and a device that has it and has passed its self-test."""

    def loaded(data: bytes) -> tuple[Graph, Device]:
        (tmp_path / "m.tflite").write_bytes(data)
        graph = load_tflite(tmp_path / "m.tflite")
        optimized = optimize(graph)
        image = compile_graph(optimized, CONFIG)
        test = known_answers(optimized, image, run_reference)
        replace(image, self_test=test).save(tmp_path / "m.image")
        image = Image.load(tmp_path / "m.image")
        device = connect(FakeLine(FakeDevice(image)))
        device.load(tmp_path / "m.image")
        assert device.last_self_test is not None
        assert device.last_self_test.checks == len(image.layers) + len(image.outputs)
        return graph, device

    return loaded


def equals_reference(graph: Graph, device: Device, seeds: int = 4) -> None:
    """A batch, given in each way that there is, has the reference's outputs in every byte."""
    samples = [random_inputs(graph, seed) for seed in range(seeds)]
    stacked = [np.stack([sample[tensor] for sample in samples]) for tensor in graph.inputs]
    results = [run_reference(graph, sample) for sample in samples]
    expected = [np.stack([result[tensor] for result in results]) for tensor in graph.outputs]
    names = [graph.tensors[tensor].name for tensor in graph.inputs]
    assert [info.name for info in device.inputs] == names
    given = [tuple(stacked), dict(zip(names, stacked, strict=True))]
    if len(stacked) == 1:
        given.append(stacked[0])
    for x in given:
        outputs = device(x)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        assert len(outputs) == len(expected)
        for output, wanted in zip(outputs, expected, strict=True):
            assert output.dtype == wanted.dtype
            assert output.shape == wanted.shape
            assert output.tobytes() == wanted.tobytes()


def dense(builder: ModelBuilder, x: int, outputs: int, inputs: int, seed: int = 0) -> int:
    random = np.random.default_rng(seed)
    weights = random.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    bias: npt.NDArray[np.int32] = random.integers(-2000, 2000, outputs).astype(np.int32)
    scales = per_channel(random.uniform(0.004, 0.02, outputs))
    return builder.fully_connected(x, weights, bias, scales, per_tensor(0.4 * inputs**0.5, 3))


@pytest.mark.parametrize("dtype", [DType.INT8, DType.UINT8])
def test_float_on_both_sides(load: Load, dtype: DType) -> None:
    builder = ModelBuilder()
    zero_point = 4 if dtype is DType.INT8 else 132
    x = builder.input("input", (1, 12), None, DType.FLOAT32)
    y = builder.quantize(x, per_tensor(0.05, zero_point), dtype)
    if dtype is DType.UINT8:
        y = builder.quantize(y, per_tensor(0.05, 4))
    y = builder.softmax(dense(builder, y, 7, 12))
    builder.output(builder.dequantize(y))
    graph, device = load(builder.build())
    assert [op.op for op in device.image.host] == ["Quantize", "Softmax", "Dequantize"]
    assert (device.inputs[0].dtype, device.inputs[0].scale) == ("float32", None)
    equals_reference(graph, device, 20)
    with pytest.raises(InputError, match="the model takes floating point samples of shape"):
        device(np.zeros((1, 12), np.int8))
    with pytest.raises(InputError, match="not finite"):
        device(np.full((1, 12), np.nan))
    with pytest.raises(InputError, match="no samples"):
        device(np.zeros((0, 12)))
    # Beyond float32, and so beyond 8 bits.
    assert np.array_equal(device(np.full((12,), 1e300)), device(np.full((12,), 1e30)))


def test_uint8_on_both_sides(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("input", (1, 12), per_tensor(0.05, 128), DType.UINT8)
    y = dense(builder, builder.quantize(x, per_tensor(0.05, 0)), 7, 12)
    builder.output(builder.quantize(y, per_tensor(0.3, 100), DType.UINT8))
    graph, device = load(builder.build())
    assert device.inputs[0].dtype == device.outputs[0].dtype == "uint8"
    equals_reference(graph, device, 10)


def test_several_inputs_and_outputs(load: Load) -> None:
    builder = ModelBuilder()
    a = builder.input("a", (1, 3, 5, 2), per_tensor(0.05, -7))
    b = builder.input("b", (1, 3, 5, 2), per_tensor(0.05, 9))
    c = builder.input("c", (1, 10), None, DType.FLOAT32)
    first = builder.add(a, b, per_tensor(0.1, 2))
    second = dense(builder, builder.quantize(c, per_tensor(0.03, 1)), 5, 10)
    builder.output(builder.softmax(second))
    builder.output(first)
    builder.output(builder.dequantize(second))
    graph, device = load(builder.build())
    equals_reference(graph, device, 6)
    one = [random_inputs(graph, 0)[t][0] for t in graph.inputs]
    assert [output.shape for output in device(tuple(one))] == [(5,), (3, 5, 2), (5,)]
    with pytest.raises(InputError, match=r"1 arrays are given; the model has the inputs 'a', 'b'"):
        device(one[0])
    with pytest.raises(InputError, match="the inputs differ in the number of samples"):
        device((one[0], one[1][np.newaxis], one[2]))
    with pytest.raises(InputError, match=r"input 'b': the input has the shape \(4,\)"):
        device((one[0], np.zeros(4, np.int8), one[2]))
    with pytest.raises(InputError, match="the model's inputs are 'a', 'b', 'c'"):
        device({"a": one[0], "b": one[1]})


def test_a_model_that_only_the_host_computes(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("input", (1, 6), per_tensor(0.05, 3))
    builder.output(builder.softmax(x))
    graph, device = load(builder.build())
    assert not device.image.layers
    equals_reference(graph, device, 10)


def test_reshapes_behind_the_softmax(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("input", (1, 12), per_tensor(0.05, 3))
    y = builder.softmax(dense(builder, x, 6, 12))
    builder.output(builder.reshape(y, (2, 3)))
    graph, device = load(builder.build())
    assert device.image.host[-1].op == "Reshape"
    assert device(np.zeros(12, np.int8)).shape == (2, 3)
    equals_reference(graph, device)


@pytest.mark.parametrize("block", range(10))
def test_random_models(load: Load, block: int) -> None:
    compiled = 0
    for seed in range(8 * block, 8 * block + 8):
        try:
            graph, device = load(random_model(seed))
        except CelosiaError:
            continue  # does not fit
        compiled += 1
        equals_reference(graph, device, 2)
    assert compiled >= 5


def test_an_unknown_operation_is_refused() -> None:
    before: HostTensor = {"name": "x", "tensor": 1, "dtype": "int8", "shape": [1]}
    after: HostTensor = {"name": "y", "tensor": 2, "dtype": "int8", "shape": [1]}
    with pytest.raises(ImageError, match="leaves the operation Sort to the host"):
        run_operations([HostOp("Sort", 0, before, after)], {1: np.zeros(1)})


def test_a_tensor_that_nothing_computes_with_is_refused(image: Image) -> None:
    with pytest.raises(InputError, match="nothing computes with the tensor 'other'"):
        Signature(replace(image, graph_inputs=("other",)))
