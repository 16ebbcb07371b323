# SPDX-License-Identifier: BSD-2-Clause
"""What is left to the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image
from celosia.errors import ModelError
from celosia.graph.ir import DType, Graph
from celosia_hw.config import AcceleratorConfig
from celosia_sim.program_model import ProgramModel
from celosia_sim.reference import run, run_from
from celosia_sim.tflite_writer import ModelBuilder, per_tensor

Load = Callable[[bytes], Graph]
Config = Callable[..., AcceleratorConfig]


def outputs(graph: Graph, image: Image, seed: int = 0) -> None:
    """Host, program, host: the outputs are those of the reference."""
    rng = np.random.default_rng(seed)
    sample = {}
    for tensor in graph.inputs:
        info = graph.tensors[tensor]
        if info.dtype is DType.FLOAT32:
            sample[tensor] = rng.normal(0, 3, info.shape).astype(np.float32)
        else:
            limits = np.iinfo(info.dtype.value)
            values = rng.integers(limits.min, limits.max + 1, info.shape)
            sample[tensor] = values.astype(info.dtype.value)
    expected = run(graph, sample, keep=True)
    model = ProgramModel(image)
    results = model.outputs([expected[port.tensor] for port in image.inputs])
    computed = {p.tensor: r for p, r in zip(image.outputs, results, strict=True)}
    final = run_from(graph, computed)
    for tensor in graph.outputs:
        assert np.array_equal(final[tensor], expected[tensor])


def test_float_on_both_sides(network: Any, load: Load, config: Config) -> None:
    builder: ModelBuilder = network.builder
    x = builder.input("input", (1, 5, 5, 3), None, DType.FLOAT32)
    y = network.dense(network.conv(builder.quantize(x, per_tensor(0.05, 4)), 4), 6, 100)
    graph = network.load(load, builder.dequantize(builder.softmax(y)))
    image = compile_graph(graph, config())
    assert [op.op for op in image.host] == ["Quantize", "Softmax", "Dequantize"]
    assert image.host[1].attributes == {"beta": 1.0}
    assert image.host[0].input["dtype"] == "float32"
    assert image.graph_inputs == ("input",)
    assert {layer.op for layer in image.layers} == {"Conv2D", "FullyConnected"}
    outputs(graph, image)


@pytest.mark.parametrize("array", ["4x4", "8x16"])
def test_uint8_on_both_sides(array: str, network: Any, load: Load, config: Config) -> None:
    builder: ModelBuilder = network.builder
    x = builder.input("input", (1, 5, 5, 3), per_tensor(0.05, 128), DType.UINT8)
    y = network.conv(builder.quantize(x, per_tensor(0.05, 0)), 4, (3, 3))
    z = builder.quantize(y, per_tensor(0.3, 100), DType.UINT8)
    graph = network.load(load, z)
    image = compile_graph(graph, config(array))
    assert image.inputs[0].dtype == image.outputs[0].dtype == "uint8"
    for seed in range(3):
        outputs(graph, image, seed)


def test_softmax_in_the_middle(network: Any, load: Load, config: Config) -> None:
    x = network.input(1, 6)
    y = network.builder.softmax(x)
    graph = network.load(load, network.dense(y, 3, 6), optimized=False)
    with pytest.raises(
        ModelError,
        match=r"operator 0 \(Softmax.*only be one of the last operators, but operator 1 "
        r"\(FullyConnected\) follows; end the model before it",
    ):
        compile_graph(graph, config())


def test_only_the_host(network: Any, load: Load, config: Config) -> None:
    """Nothing is left for the accelerator: its program is empty."""
    x = network.input(1, 6)
    graph = network.load(load, network.builder.softmax(x))
    image = compile_graph(graph, config())
    assert not image.layers
    assert [info.opcode for info in image.instructions] == ["SETUP", "END"]


def test_two_outputs_of_which_one_goes_on(network: Any, load: Load, config: Config) -> None:
    x = network.input(1, 6)
    y = network.dense(x, 5, 6)
    graph = network.load(load, network.builder.softmax(y), y)
    image = compile_graph(graph, config())
    assert len(image.outputs) == 1
    outputs(graph, image)
