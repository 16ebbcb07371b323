# SPDX-License-Identifier: BSD-2-Clause
"""Additions move into the operations that compute their operands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celosia.graph.ir import Activation, Add, Conv2D, Function, Graph, Padding, ResidualAdd
from celosia.graph.liveness import peak_bytes
from celosia.importer.tflite import load_tflite
from celosia.passes import fuse_add, fuse_table, lower_functions, narrow_clamps, optimize
from celosia.passes.rewrite import move_in_front

Check = Callable[..., Graph]


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def lowered(net: Any, *outputs: int) -> Graph:
    return lower_functions.apply(net.finish(*outputs))[0]


def same(net: Any, x: int, channels: int, size: int) -> int:
    """A convolution that keeps height and width; ``size`` is odd."""
    edge = size // 2
    return int(net.conv(x, channels, (size, size), padding=Padding(edge, edge, edge, edge)))


def sum_takers(graph: Graph) -> list[tuple[tuple[int, ...], int]]:
    """Weight shape and added tensor of each operation that took an addition."""
    epilogues = [(op, getattr(op, "epilogue", None)) for op in graph.ops]
    return [
        (vars(op)["weights"].shape, epilogue.other)
        for op, epilogue in epilogues
        if isinstance(epilogue, ResidualAdd)
    ]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("activation", [Activation.NONE, Activation.RELU])
def test_an_addition_moves_into_its_later_operand(
    network: Any, apply_checked: Check, swapped: bool, activation: Activation
) -> None:
    net = network(17)
    x = net.input(1, 4, 4, 3)
    first = net.conv(x, 5, zero_point=9)
    second = net.conv(first, 5, (3, 3), padding=Padding(1, 1, 1, 1))
    operands = (second, first) if swapped else (first, second)
    graph = net.finish(net.softmax(net.dense(net.add(*operands, activation), 3)))
    result = apply_checked(fuse_add, narrow_clamps.apply(graph)[0])
    assert kinds(result) == ["Conv2D", "Conv2D", "FullyConnected", "Softmax"]
    epilogue = result.ops[1].epilogue  # type: ignore[attr-defined]
    assert epilogue == ResidualAdd(
        first, net.of(second), activation, swapped, 2, net.graph.tensors[second].name
    )


def test_a_clamp_behind_an_addition_becomes_its_activation(
    network: Any, apply_checked: Check
) -> None:
    net = network(18)
    x = net.input(1, 4, 4, 3)
    y = net.add(x, net.conv(x, 3))
    graph = fuse_table.apply(lowered(net, net.function(y, Function.RELU, net.of(y))))[0]
    assert kinds(graph) == ["Conv2D", "Add"]
    (op,) = apply_checked(fuse_add, graph).ops
    assert isinstance(op, Conv2D)
    assert isinstance(op.epilogue, ResidualAdd)
    assert op.epilogue.activation is Activation.RELU


def test_additions_that_stay(network: Any, apply_checked: Check) -> None:
    net = network(19)
    x = net.input(1, 4, 4, 3)
    y = net.conv(x, 3)
    apply_checked(fuse_add, net.finish(net.add(x, y), y), changes=False)  # also read elsewhere
    net = network(20)
    y = net.conv(net.input(1, 4, 4, 3), 3)
    apply_checked(fuse_add, net.finish(net.add(y, net.constant(3))), changes=False)
    apply_checked(fuse_add, net.finish(net.add(y, y)), changes=False)
    net = network(21)
    x = net.input(1, 4, 4, 3)
    y = net.max_pool(net.conv(x, 3), (1, 1))
    apply_checked(fuse_add, net.finish(net.add(x, y)), changes=False)  # no weights
    net = network(22)
    x = net.input(1, 4, 4, 3)
    y = net.function(net.conv(x, 3), Function.TANH)
    graph = fuse_table.apply(lowered(net, net.add(x, y)))[0]
    apply_checked(fuse_add, graph, changes=False)  # its epilogue is taken
    net = network(23)
    x = net.input(1, 4, 4, 3)
    y = net.add(x, net.conv(x, 3))
    graph = net.finish(y)
    op = graph.ops[1]
    assert isinstance(op, Add)
    op.clamp = (-50, 60)  # the range of no activation
    apply_checked(fuse_add, graph, changes=False)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("large_first", [False, True])
def test_an_addition_moves_to_the_more_multiplications(
    network: Any, apply_checked: Check, large_first: bool, swapped: bool
) -> None:
    net = network(26)
    x = net.input(1, 6, 6, 3)
    sizes = (3, 1) if large_first else (1, 3)
    branches = {size: same(net, same(net, x, 2, 3), 5, size) for size in sizes}
    operands = (branches[1], branches[3]) if swapped else (branches[3], branches[1])
    graph = net.finish(net.add(*operands, Activation.RELU))
    result = apply_checked(fuse_add, narrow_clamps.apply(graph)[0])
    assert sum_takers(result) == [((5, 3, 3, 2), branches[1])]
    # The shortcut and what only it depends on moved, and nothing else.
    assert [op.index for op in result.ops] == ([0, 2, 3, 1] if large_first else [0, 1, 2, 3])
    epilogue = vars(result.ops[-1])["epilogue"]
    assert (epilogue.result_first, epilogue.inner) == (not swapped, net.of(branches[3]))
    apply_checked(fuse_add, result, changes=False)


def test_the_later_of_equal_operands_takes_the_addition(network: Any, apply_checked: Check) -> None:
    net = network(27)
    x = net.input(1, 4, 4, 3)
    first, second = net.conv(x, 5), net.conv(x, 5)
    result = apply_checked(fuse_add, net.finish(net.add(second, first)))
    assert sum_takers(result) == [((5, 1, 1, 3), first)]
    assert [op.index for op in result.ops] == [0, 1]


def test_multiplications_are_those_of_one_output(network: Any, apply_checked: Check) -> None:
    net = network(28)
    x = net.input(1, 4, 4, 12)
    edges = Padding(1, 1, 1, 1)
    wide, deep = net.conv(x, 12), net.depthwise(x, padding=edges)  # 12 and 9
    result = apply_checked(fuse_add, net.finish(net.add(wide, deep)))
    assert sum_takers(result) == [((12, 1, 1, 12), deep)]
    assert kinds(result) == ["DepthwiseConv2D", "Conv2D"]
    net = network(29)
    x, y = net.input(1, 40), net.input(1, 30)
    dense = net.dense(x, 6), net.dense(y, 6)
    result = apply_checked(fuse_add, net.finish(net.add(*dense)))
    assert sum_takers(result) == [((6, 40), dense[1])]


def test_an_operand_without_weights_moves_too(network: Any, apply_checked: Check) -> None:
    net = network(30)
    x = net.input(1, 4, 4, 3)
    y, z = same(net, x, 3, 3), net.max_pool(net.function(x, Function.TANH), (1, 1))
    graph = lower_functions.apply(net.finish(net.add(y, z)))[0]
    result = apply_checked(fuse_add, graph)
    assert kinds(result) == ["Lookup", "MaxPool2D", "Conv2D"]


def test_an_operand_that_the_other_depends_on_stays_in_front(
    network: Any, apply_checked: Check
) -> None:
    net = network(31)
    x = net.input(1, 4, 4, 3)
    large = same(net, x, 5, 3)
    small = net.conv(net.conv(large, 4), 5)
    graph = net.finish(net.add(large, small))
    result = apply_checked(fuse_add, graph)
    assert sum_takers(result) == [((5, 1, 1, 4), large)]
    assert [op.index for op in result.ops] == [0, 1, 2]
    with pytest.raises(ValueError, match="depends on operation 0"):
        move_in_front(graph, small, graph.ops[0])


@pytest.mark.parametrize(("hidden", "peaks"), [(4, (12, 12)), (5, (13, 14)), (8, (16, 20))])
def test_the_need_of_memory_does_not_rise(
    network: Any, apply_checked: Check, hidden: int, peaks: tuple[int, int]
) -> None:
    """``peaks`` are bytes for each of 16 positions, with the addition in the later and in the
    earlier operand: 4 + hidden + 4 (input, hidden tensor, result) against 4 + 2 * hidden (input or
    shortcut, and both hidden tensors)."""
    net = network(33)
    x = net.input(1, 4, 4, 4)
    large = same(net, net.conv(x, hidden), 4, 3)
    small = net.conv(net.conv(x, hidden), 4)
    graph = net.finish(net.add(large, small))
    result = apply_checked(fuse_add, graph)
    moves = peaks[1] <= peaks[0]
    assert [op.index for op in result.ops] == ([0, 2, 3, 1] if moves else [0, 1, 2, 3])
    assert peak_bytes(result) == 16 * min(peaks)


def test_additions_of_additions_keep_the_order_legal(network: Any, apply_checked: Check) -> None:
    net = network(32)
    x = net.input(1, 6, 6, 4)
    larger, large = same(net, x, 4, 5), same(net, x, 4, 3)
    total = net.add(large, net.conv(x, 4))
    total = net.add(larger, total)
    total = net.add(net.conv(x, 4), total)  # its other operand has taken an addition
    result = apply_checked(fuse_add, net.finish(net.softmax(net.dense(total, 3))))
    assert [op.index for op in result.ops] == [2, 1, 0, 5, 7, 8]
    assert [shape for shape, _ in sum_takers(result)] == [(4, 3, 3, 4), (4, 5, 5, 4), (4, 1, 1, 4)]


@pytest.mark.parametrize("seed", range(40))
def test_random_branches_in_random_order(network: Any, apply_checked: Check, seed: int) -> None:
    """Residual blocks whose branches are computed in turns and read each other's results."""
    net = network(seed)
    rng = np.random.default_rng(seed)
    x = net.input(1, 5, 5, 3)
    for _ in range(3):
        branches = [x, x]
        for step in rng.permutation([0, 0, 0, 1, 1, 1]):
            source = branches[step if rng.random() < 0.9 else 1 - step]
            branches[step] = same(net, source, 3, int(rng.choice([1, 3])))
        x = net.add(*branches, Activation(rng.choice(["none", "relu"])))
    result = apply_checked(fuse_add, narrow_clamps.apply(net.finish(x))[0])
    assert "Add" not in kinds(result)


def test_additions_of_the_residual_benchmark_end_in_large_kernels(mlperf_tiny: Path) -> None:
    graph = load_tflite(mlperf_tiny / "models" / "pretrainedResnet_quant.tflite")
    takers = sum_takers(optimize(graph))
    assert [shape[1:3] for shape, _ in takers] == [(3, 3)] * 3
