# SPDX-License-Identifier: BSD-2-Clause
"""Operations become simpler ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celosia.graph.ir import Activation, Conv2D, DType, Function, Graph, Lookup, Padding
from celosia.passes import (
    convert_depthwise,
    fold_constants,
    lower_adds,
    lower_functions,
    lower_pools,
    remove_identities,
    remove_unused,
)
from celosia_sim.reference import run

Check = Callable[..., Graph]


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


@pytest.mark.parametrize("function", list(Function))
def test_functions_become_tables(network: Any, apply_checked: Check, function: Function) -> None:
    net = network(1)
    result = apply_checked(lower_functions, net.finish(net.function(net.input(1, 300), function)))
    assert kinds(result) == ["Lookup"]


def test_functions_of_unsigned_values_stay(network: Any, apply_checked: Check) -> None:
    net = network(2)
    x = net.function(net.input(1, 9), Function.REQUANTIZE)
    graph = net.finish(x)
    graph.tensors[x].dtype = DType.UINT8
    graph.tensors[x].quantization = net.quantization(0.1, 128)
    apply_checked(lower_functions, graph, changes=False)


def test_additions_of_one_constant_become_tables(network: Any, apply_checked: Check) -> None:
    net = network(3)
    x = net.input(1, 8, 8, 5)
    constant = net.constant(1)
    result = apply_checked(lower_adds, net.finish(net.add(x, constant, Activation.RELU)))
    assert kinds(result) == ["Lookup"]
    net = network(4)
    x = net.input(1, 8, 8, 5)
    constant = net.constant(5)
    net.graph.tensors[constant].data[:] = -3
    assert kinds(apply_checked(lower_adds, net.finish(net.add(x, constant)))) == ["Lookup"]
    net = network(5)
    x = net.input(1, 8, 8, 5)
    apply_checked(lower_adds, net.finish(net.add(x, net.constant(5))), changes=False)


def test_an_addition_to_itself_becomes_a_table(network: Any, apply_checked: Check) -> None:
    net = network(6)
    x = net.input(1, 8, 8, 5)
    result = apply_checked(lower_adds, net.finish(net.add(x, x)))
    assert kinds(result) == ["Lookup"]
    assert result.ops[0].inputs == [x]


@pytest.mark.parametrize("kind", ["average_pool", "max_pool"])
def test_pools_of_single_elements_become_tables(
    network: Any, apply_checked: Check, kind: str
) -> None:
    net = network(7)
    x = net.input(1, 5, 5, 3)
    y = getattr(net, kind)(x, (1, 1), activation=Activation.RELU)
    assert kinds(apply_checked(lower_pools, net.finish(y))) == ["Lookup"]
    net = network(8)
    x = net.input(1, 1, 1, 30)
    y = getattr(net, kind)(x, (3, 3), stride=(2, 2), padding=Padding(1, 1, 1, 1))
    assert kinds(apply_checked(lower_pools, net.finish(y))) == ["Lookup"]
    net = network(9)
    x = net.input(1, 5, 5, 3)
    y = getattr(net, kind)(x, (1, 1), stride=(2, 2))
    apply_checked(lower_pools, net.finish(y), changes=False)


@pytest.mark.parametrize("keep_dims", [False, True])
def test_means_of_single_elements_become_tables(
    network: Any, apply_checked: Check, keep_dims: bool
) -> None:
    net = network(10)
    graph = net.finish(net.mean(net.input(1, 1, 1, 200), keep_dims=keep_dims))
    result = apply_checked(lower_pools, graph)
    assert kinds(result) == ["Lookup"] if keep_dims else ["Lookup", "Reshape"]
    net = network(11)
    graph = net.finish(net.mean(net.input(1, 2, 1, 20), keep_dims=keep_dims))
    apply_checked(lower_pools, graph, changes=False)


def test_depthwise_of_one_channel_becomes_a_convolution(network: Any, apply_checked: Check) -> None:
    net = network(12)
    x = net.input(1, 9, 8, 1)
    y = net.depthwise(
        x,
        (3, 2),
        multiplier=7,
        stride=(2, 1),
        dilation=(1, 2),
        padding=Padding(1, 0, 2, 1),
        activation=Activation.RELU,
    )
    (op,) = apply_checked(convert_depthwise, net.finish(y)).ops
    assert isinstance(op, Conv2D)
    assert op.weights.shape == (7, 3, 2, 1)
    net = network(13)
    graph = net.finish(net.depthwise(net.input(1, 9, 8, 2), multiplier=2))
    apply_checked(convert_depthwise, graph, changes=False)


def test_a_constant_operand_of_an_addition_is_folded(network: Any, apply_checked: Check) -> None:
    net = network(14)
    x = net.input(1, 4, 4, 3)
    constant = net.conv(x, 3, dead=(0, 1, 2))
    for operands in ((x, constant), (constant, x)):
        net = network(14)
        x = net.input(1, 4, 4, 3)
        net.conv(x, 3, dead=(0, 1, 2))
        result = apply_checked(fold_constants, net.finish(net.add(*operands)))
        result = apply_checked(remove_unused, result)
        assert kinds(result) == ["Add"]
        folded = result.tensors[result.ops[0].inputs[1]]
        assert folded.data is not None
        assert folded.data.shape == (3,)
    net = network(15)
    x = net.input(1, 4, 4, 3)
    graph = net.finish(net.add(x, net.conv(x, 3, dead=(0, 1))))
    apply_checked(fold_constants, graph, changes=False)


def test_identities_go(network: Any, apply_checked: Check) -> None:
    net = network(16)
    x = net.input(1, 4, 4, 3, zero_point=-128)
    y = net.function(x, Function.RELU, net.of(x))
    graph = lower_functions.apply(net.finish(net.softmax(y)))[0]
    result = apply_checked(remove_unused, apply_checked(remove_identities, graph))
    assert kinds(result) == ["Softmax"]
    graph.outputs = [y]
    graph.ops = graph.ops[:1]
    assert kinds(apply_checked(remove_identities, graph)) == ["Reshape"]


def test_a_table_that_changes_what_cannot_occur_is_an_identity(
    network: Any, apply_checked: Check
) -> None:
    net = network(17)
    x = net.conv(net.input(1, 4, 4, 3), 3, zero_point=-40, activation=Activation.RELU)
    y = net.function(x, Function.RELU, net.of(x))
    graph = lower_functions.apply(net.finish(net.softmax(y), x))[0]
    (lookup,) = (op for op in graph.ops if isinstance(op, Lookup))
    assert lookup.values != tuple(range(-128, 128))
    apply_checked(remove_identities, graph)
    net = network(17)
    x = net.conv(net.input(1, 4, 4, 3), 3, zero_point=-40)
    y = net.function(x, Function.RELU, net.of(x))
    graph = lower_functions.apply(net.finish(net.softmax(y), x))[0]
    apply_checked(remove_identities, graph, changes=False)


def test_what_nothing_reads_goes(network: Any, apply_checked: Check) -> None:
    net = network(18)
    x, y = net.input(1, 4, 4, 3), net.input(1, 4, 4, 2)
    net.softmax(net.conv(y, 7))
    result = apply_checked(remove_unused, net.finish(net.conv(x, 3)))
    assert kinds(result) == ["Conv2D"]
    assert set(result.tensors) == {*result.inputs, *result.outputs}
    apply_checked(remove_unused, result, changes=False)


def test_tables_equal_what_they_replace_for_every_value(network: Any) -> None:
    every = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    for seed, function in enumerate(Function):
        net = network(seed)
        graph = net.finish(net.function(net.input(1, 256), function))
        after = lower_functions.apply(graph)[0]
        before = run(graph, every)[graph.outputs[0]]
        np.testing.assert_array_equal(run(after, every)[graph.outputs[0]], before)
