# SPDX-License-Identifier: BSD-2-Clause
"""The executor's own rules: inputs, what it returns, the forms that only passes create."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from celosia.arithmetic.functions import function_table
from celosia.errors import InputError
from celosia.graph.ir import (
    Activation,
    Add,
    ArrayOp,
    Conv2D,
    Elementwise,
    Function,
    Graph,
    Lookup,
    ResidualAdd,
    Table,
    operands,
)
from celosia_sim.reference import run
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

SHAPE = (1, 6, 5, 4)
Import = Callable[[bytes], Graph]


def conv_weights(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    weights = rng.integers(-127, 128, (4, 3, 3, 4)).astype(np.int8)
    return weights, rng.integers(-20000, 20000, 4).astype(np.int32)


def conv(model: ModelBuilder, x: int, rng: np.random.Generator, scale: float = 0.3) -> int:
    weights, bias = conv_weights(rng)
    scales = per_channel(rng.uniform(0.0002, 0.001, 4))
    return model.conv_2d(x, weights, bias, scales, per_tensor(scale, 3))


@pytest.fixture
def residual(imported: Import, rng: np.random.Generator) -> Callable[[bool], Graph]:
    """A convolution of the input, added to the input, as first operand or second."""

    def build(result_first: bool) -> Graph:
        model = ModelBuilder()
        x = model.input("x", SHAPE, per_tensor(0.5, -7))
        y = conv(model, x, rng)
        pair = (y, x) if result_first else (x, y)
        model.output(model.add(*pair, per_tensor(0.4, 11), activation=Activation.RELU))
        return imported(model.build())

    return build


def image(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(-128, 128, SHAPE).astype(np.int8)


def without(graph: Graph, fused: ArrayOp, *vanished: ArrayOp) -> Graph:
    """The graph with its operations replaced by ``fused``, and the tensors between them gone."""
    gone = {op.output for op in vanished} - {fused.output}
    tensors = {number: t for number, t in graph.tensors.items() if number not in gone}
    return replace(graph, ops=[fused], tensors=tensors)


@pytest.mark.parametrize("result_first", [False, True])
def test_residual_add_equals_add(
    residual: Callable[[bool], Graph], rng: np.random.Generator, result_first: bool
) -> None:
    graph = residual(result_first)
    first, second = graph.ops
    assert isinstance(first, Conv2D)
    assert isinstance(second, Add)
    inner = graph.tensors[first.output].quantization
    assert inner is not None
    epilogue = ResidualAdd(
        graph.inputs[0], inner, second.activation, result_first, second.index, "inner"
    )
    fused = without(graph, replace(first, output=second.output, epilogue=epilogue), first, second)
    assert operands(fused.ops[0]) == [graph.inputs[0]] * 2
    x = image(rng)
    wanted, found = run(graph, x), run(fused, x)
    np.testing.assert_array_equal(found[second.output], wanted[second.output])
    swapped = replace(epilogue, result_first=not result_first)
    other = without(graph, replace(first, output=second.output, epilogue=swapped), first, second)
    # The kernel treats both operands alike.
    np.testing.assert_array_equal(run(other, x)[second.output], wanted[second.output])


@pytest.fixture
def activated(imported: Import, rng: np.random.Generator) -> Graph:
    """A convolution and a HARD_SWISH."""
    model = ModelBuilder()
    y = conv(model, model.input("x", SHAPE, per_tensor(0.5, -7)), rng, 0.05)
    model.output(model.hard_swish(y, per_tensor(0.04, -50)))
    return imported(model.build())


def test_table_epilogue_equals_function(activated: Graph, rng: np.random.Generator) -> None:
    first, second = activated.ops
    assert isinstance(first, Conv2D)
    inner = activated.tensors[first.output].quantization
    output = activated.tensors[second.output].quantization
    assert inner is not None
    assert output is not None
    values = tuple(function_table(Function.HARD_SWISH, inner, output).tolist())
    fused = replace(first, output=second.output, epilogue=Table(values, inner, "inner"))
    x = image(rng)
    wanted = run(activated, x)[second.output]
    assert len(np.unique(wanted)) > 20
    found = run(without(activated, fused, first), x)[second.output]
    np.testing.assert_array_equal(found, wanted)


def test_lookup_equals_function(activated: Graph, rng: np.random.Generator) -> None:
    first, second = activated.ops
    inner = activated.tensors[first.output].quantization
    output = activated.tensors[second.output].quantization
    assert inner is not None
    assert output is not None
    values = tuple(function_table(Function.HARD_SWISH, inner, output).tolist())
    lookup = Lookup(second.index, second.inputs, second.output, values=values)
    x = image(rng)
    found = run(replace(activated, ops=[first, lookup]), x)
    np.testing.assert_array_equal(found[second.output], run(activated, x)[second.output])


def test_clamp_narrows_the_result_before_the_epilogue(
    activated: Graph, rng: np.random.Generator
) -> None:
    first, second = activated.ops
    assert isinstance(first, Conv2D)
    assert isinstance(second, Elementwise)
    x = image(rng)
    plain = run(activated, x, keep=True)[first.output]
    narrowed = replace(activated, ops=[replace(first, clamp=(-20, 30)), second])
    found = run(narrowed, x, keep=True)
    np.testing.assert_array_equal(found[first.output], np.clip(plain, -20, 30))
    assert found[first.output].min() == -20
    inverted = tuple(range(127, -129, -1))
    table = replace(first, clamp=(-20, 30), epilogue=Table(inverted))
    result = run(without(replace(activated, outputs=[first.output]), table), x)[first.output]
    np.testing.assert_array_equal(result, -1 - np.clip(plain, -20, 30).astype(int))


def test_keep_returns_inputs_and_intermediate_tensors(
    residual: Callable[[bool], Graph], rng: np.random.Generator
) -> None:
    graph, x = residual(True), image(rng)
    assert list(run(graph, x)) == graph.outputs
    everything = run(graph, {graph.inputs[0]: x}, keep=True)
    assert set(everything) == {graph.inputs[0], *(op.output for op in graph.ops)}
    for number, array in everything.items():
        assert array.shape == graph.tensors[number].shape
        assert array.dtype == graph.tensors[number].dtype.numpy


def test_wrong_inputs(residual: Callable[[bool], Graph], rng: np.random.Generator) -> None:
    graph, x = residual(True), image(rng)
    with pytest.raises(InputError, match=r"input 'x' must be int8 of shape \[1, 6, 5, 4\], not"):
        run(graph, x[0])
    with pytest.raises(InputError, match="not uint8 of shape"):
        run(graph, x.view(np.uint8))
    with pytest.raises(InputError, match=r"given for the tensors \[77\]; the inputs are \[0\]"):
        run(graph, {77: x})


def test_two_inputs(imported: Import, rng: np.random.Generator) -> None:
    model = ModelBuilder()
    a = model.input("a", SHAPE, per_tensor(0.5, -7))
    b = model.input("b", SHAPE, per_tensor(0.25, 9))
    model.output(model.add(a, b, per_tensor(0.5, 0)))
    graph = imported(model.build())
    with pytest.raises(InputError, match="it has 2 inputs; give a mapping"):
        run(graph, image(rng))
    with pytest.raises(InputError, match="arrays are given for"):
        run(graph, {a: image(rng)})
    found = run(graph, {a: np.full(SHAPE, 1, np.int8), b: np.full(SHAPE, 13, np.int8)})
    # (8 * 0.5 + 4 * 0.25) / 0.5
    assert np.all(found[graph.outputs[0]] == 10)


def test_inputs_and_constants_stay_as_they_are(
    residual: Callable[[bool], Graph], rng: np.random.Generator
) -> None:
    graph, x = residual(False), image(rng)
    before = x.copy()
    op = graph.ops[0]
    assert isinstance(op, Conv2D)
    weights = op.weights.copy()
    run(graph, x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(op.weights, weights)
