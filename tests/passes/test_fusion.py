# SPDX-License-Identifier: BSD-2-Clause
"""Padding and tables move into the operations beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from celosia.arithmetic.fixed_point import clamp_range
from celosia.graph.ir import (
    Activation,
    Conv2D,
    DType,
    Function,
    Graph,
    Lookup,
    Padding,
    Quantization,
    Table,
)
from celosia.passes import (
    fuse_padding,
    fuse_table,
    lower_functions,
    merge_reshapes,
    narrow_clamps,
    remove_unused,
)

Check = Callable[..., Graph]


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


# --- padding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["conv", "depthwise"])
def test_padding_moves_into_a_convolution(network: Any, apply_checked: Check, kind: str) -> None:
    net = network(1)
    x = net.pad(net.input(1, 7, 6, 4), (0, 0), (1, 2), (0, 3), (0, 0))
    options = {"stride": (2, 1), "padding": Padding(0, 1, 2, 0)}
    y = net.conv(x, 5, (3, 3), **options) if kind == "conv" else net.depthwise(x, **options)
    result = apply_checked(fuse_padding, net.finish(y))
    result = apply_checked(remove_unused, result)
    assert [vars(op)["padding"] for op in result.ops] == [Padding(1, 3, 2, 3)]
    apply_checked(fuse_padding, result, changes=False)


def test_a_chain_of_padding_moves_as_a_whole(network: Any, apply_checked: Check) -> None:
    net = network(3)
    x = net.pad(net.input(1, 5, 5, 3), (0, 0), (1, 0), (0, 0), (0, 0))
    x = net.pad(x, (0, 0), (1, 0), (0, 4), (0, 0))
    result = apply_checked(fuse_padding, net.finish(net.conv(x, 4, (3, 3))))
    result = apply_checked(remove_unused, result)
    assert [vars(op)["padding"] for op in result.ops] == [Padding(2, 0, 0, 4)]


def test_padding_with_another_reader_stays_for_it(network: Any, apply_checked: Check) -> None:
    net = network(2)
    x = net.pad(net.input(1, 5, 5, 3), (0, 0), (1, 1), (1, 1), (0, 0))
    graph = net.finish(net.conv(x, 4, (3, 3)), net.average_pool(x, (2, 2)))
    result = apply_checked(remove_unused, apply_checked(fuse_padding, graph), changes=False)
    assert kinds(result) == ["Pad", "Conv2D", "AveragePool2D"]
    assert result.ops[1].inputs == result.inputs


def test_padding_of_channels_stays(network: Any, apply_checked: Check) -> None:
    net = network(4)
    x = net.pad(net.input(1, 5, 5, 3), (0, 0), (1, 1), (1, 1), (0, 1))
    apply_checked(fuse_padding, net.finish(net.conv(x, 4, (3, 3))), changes=False)


@pytest.mark.parametrize(("low", "fused"), [(-128, True), (-127, False)])
def test_padding_moves_into_a_maximum_that_it_cannot_be(
    network: Any, apply_checked: Check, low: int, fused: bool
) -> None:
    net = network(5)
    x = net.pad(net.input(1, 6, 6, 3, zero_point=low), (0, 0), (1, 1), (0, 1), (0, 0))
    graph = net.finish(net.max_pool(x, (3, 3), stride=(2, 2)))
    result = apply_checked(fuse_padding, graph, changes=fused)
    result = apply_checked(remove_unused, result, changes=fused)
    assert kinds(result) == (["MaxPool2D"] if fused else ["Pad", "MaxPool2D"])


def test_a_maximum_of_padding_alone_keeps_it(network: Any, apply_checked: Check) -> None:
    net = network(6)
    x = net.pad(net.input(1, 6, 6, 3, zero_point=-128), (0, 0), (2, 0), (0, 0), (0, 0))
    apply_checked(fuse_padding, net.finish(net.max_pool(x, (2, 2))), changes=False)


# --- tables --------------------------------------------------------------------------------------


def lowered(net: Any, *outputs: int) -> Graph:
    return lower_functions.apply(net.finish(*outputs))[0]


@pytest.mark.parametrize(
    "function", [Function.LOGISTIC, Function.TANH, Function.HARD_SWISH, Function.LEAKY_RELU]
)
def test_a_function_becomes_an_epilogue(
    network: Any, apply_checked: Check, function: Function
) -> None:
    net = network(7)
    x = net.conv(net.input(1, 5, 5, 3), 4, (3, 3))
    result = apply_checked(fuse_table, lowered(net, net.function(x, function)))
    (op,) = result.ops
    assert isinstance(op, Conv2D)
    assert isinstance(op.epilogue, Table)
    assert op.epilogue.inner == net.of(x)
    assert op.epilogue.inner_name == net.graph.tensors[x].name


@pytest.mark.parametrize("producer", ["average_pool", "max_pool", "mean", "dense", "depthwise"])
def test_every_array_operation_takes_a_table(
    network: Any, apply_checked: Check, producer: str
) -> None:
    net = network(8)
    x = net.input(1, 4, 4, 3)
    y = {
        "average_pool": lambda: net.average_pool(x, (2, 2)),
        "max_pool": lambda: net.max_pool(x, (2, 2)),
        "mean": lambda: net.mean(x),
        "dense": lambda: net.dense(x, 5),
        "depthwise": lambda: net.depthwise(x),
    }[producer]()
    result = apply_checked(fuse_table, lowered(net, net.function(y, Function.LOGISTIC)))
    assert len(result.ops) == 1


def test_chains_of_functions_become_one_table(network: Any, apply_checked: Check) -> None:
    net = network(9)
    x = net.conv(net.input(1, 5, 5, 3), 4)
    for function in (Function.LEAKY_RELU, Function.HARD_SWISH, Function.LOGISTIC, Function.TANH):
        x = net.function(x, function)
    result = apply_checked(fuse_table, lowered(net, x))
    assert kinds(result) == ["Conv2D"]
    net = network(10)
    x = net.input(1, 4)
    for function in (Function.LEAKY_RELU, Function.TANH):
        x = net.function(x, function)
    result = apply_checked(fuse_table, lowered(net, x))
    assert kinds(result) == ["Lookup"]


@pytest.mark.parametrize("function", [Function.RELU, Function.RELU6, Function.RELU_N1_TO_1])
def test_a_clamping_function_narrows_the_clamp(
    network: Any, apply_checked: Check, function: Function
) -> None:
    net = network(11)
    x = net.conv(net.input(1, 5, 5, 3), 4, zero_point=-20)
    graph = lowered(net, net.function(x, function, net.of(x)))
    (op,) = apply_checked(fuse_table, graph).ops
    assert isinstance(op, Conv2D)
    assert op.epilogue is None
    assert op.clamp == clamp_range(Activation(function.value), net.of(x))
    assert op.clamp != (-128, 127)


def test_an_addition_takes_a_clamp_but_no_table(network: Any, apply_checked: Check) -> None:
    net = network(12)
    x = net.input(1, 4, 4, 3)
    y = net.add(net.max_pool(x, (1, 1)), x)
    graph = lowered(net, net.function(y, Function.RELU, net.of(y)))
    result = apply_checked(fuse_table, graph)
    assert kinds(result) == ["MaxPool2D", "Add"]
    net = network(12)
    x = net.input(1, 4, 4, 3)
    y = net.add(net.max_pool(x, (1, 1)), x)
    apply_checked(fuse_table, lowered(net, net.function(y, Function.TANH)), changes=False)


def test_a_change_of_type_takes_no_table(network: Any, apply_checked: Check) -> None:
    net = network(25)
    x = net.input(1, 4, 4, 3)
    y = net.function(x, Function.REQUANTIZE)
    y = net.function(y, Function.TANH)
    graph = net.finish(y)
    graph.tensors[x].dtype = DType.UINT8
    graph.tensors[x].quantization = net.quantization(0.1, 100)
    graph, changed = lower_functions.apply(graph)
    assert changed
    assert kinds(graph) == ["Elementwise", "Lookup"]
    apply_checked(fuse_table, graph, changes=False)


def test_a_tensor_with_other_readers_keeps_its_values(network: Any, apply_checked: Check) -> None:
    net = network(13)
    x = net.conv(net.input(1, 4, 4, 3), 3)
    apply_checked(fuse_table, lowered(net, net.function(x, Function.TANH), x), changes=False)
    net = network(14)
    x = net.conv(net.input(1, 4, 4, 3), 3)
    graph = lowered(net, net.add(x, net.function(x, Function.TANH)))
    apply_checked(fuse_table, graph, changes=False)


def test_functions_move_in_front_of_reshapes(network: Any, apply_checked: Check) -> None:
    net = network(15)
    x = net.reshape(net.reshape(net.conv(net.input(1, 2, 2, 3), 3), 1, 4, 3), 1, 12)
    x = net.function(net.function(x, Function.LEAKY_RELU), Function.TANH)
    result = apply_checked(remove_unused, apply_checked(merge_reshapes, lowered(net, x)))
    assert kinds(result) == ["Conv2D", "Lookup", "Lookup", "Reshape"]
    assert kinds(apply_checked(fuse_table, result)) == ["Conv2D", "Reshape"]


def test_clamps_tell_the_activation(network: Any, apply_checked: Check) -> None:
    net = network(16)
    x = net.conv(net.input(1, 2, 2, 3), 3, zero_point=-7, activation=Activation.RELU6)
    result = apply_checked(narrow_clamps, net.finish(x))
    (op,) = result.ops
    assert isinstance(op, Conv2D)
    assert op.clamp == clamp_range(Activation.RELU6, net.of(x))
    apply_checked(narrow_clamps, result, changes=False)


def test_table_in_front_of_an_addition_is_composed_with_its_clamp(
    network: Any, apply_checked: Check
) -> None:
    net = network(24)
    x = net.function(net.input(1, 4, 4, 3), Function.LEAKY_RELU, Quantization((0.05,), (0,)))
    graph = lowered(net, net.function(x, Function.TANH))
    first = graph.ops[0]
    assert isinstance(first, Lookup)
    first.clamp = (-60, 50)
    (op,) = apply_checked(fuse_table, graph).ops
    assert isinstance(op, Lookup)
    assert op.clamp == (-128, 127)
