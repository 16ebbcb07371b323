# SPDX-License-Identifier: BSD-2-Clause
"""Additions that no tables of one second pass give become several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celosia.arithmetic.add_tables import SecondPass, add_tables
from celosia.graph.ir import Activation, Add, Graph, Quantization
from celosia.passes import optimize, split_adds
from celosia.passes.rewrite import result_clamp
from celosia_sim.tflite_writer import per_tensor

Check = Callable[..., Graph]

#: No tables give all sums of these.
HARD = tuple(per_tensor(n / 255, z) for n, z in ((3, 50), (14, 50), (10, 50)))


def quantizations(graph: Graph, op: Add) -> tuple[Quantization, Quantization, Quantization]:
    a, b, c = (graph.tensors[tensor].quantization for tensor in (*op.inputs, op.output))
    assert a is not None
    assert b is not None
    assert c is not None
    return a, b, c


def have_tables(graph: Graph) -> bool:
    return all(
        add_tables(*quantizations(graph, op), result_clamp(graph, op)) is not None
        for op in graph.ops
        if isinstance(op, Add)
    )


def sum_of(net: Any, activation: Activation = Activation.NONE, *, constant: bool = False) -> int:
    """A sum of HARD scales of a tensor with all bytes and of another with random ones."""
    x = net.input(1, 16, 16, 3)
    y = net.constant(1, 16, 16, 3) if constant else net.input(1, 16, 16, 3)
    total = net.add(x, y, activation)
    for tensor, quantization in zip((x, y, total), HARD, strict=True):
        net.graph.tensors[tensor].quantization = quantization
    return int(total)


def test_halves_on_both_sides_of_the_zero_point(network: Any, apply_checked: Check) -> None:
    net = network(31)
    graph = net.finish(sum_of(net))
    assert not have_tables(graph)
    result = apply_checked(split_adds, graph)
    sums = [op for op in result.ops if isinstance(op, Add)]
    assert [op.clamp for op in sums] == [(50, 127), (-128, 50), (-128, 127)]
    assert len(result.ops) == 3
    assert have_tables(result)
    assert [result.tensors[op.output].name for op in result.ops] == [
        "tensor2 (from 50 on)",
        "tensor2 (up to 50)",
        "tensor2",
    ]
    assert not split_adds.apply(result)[1]


def test_a_constant_operand(network: Any, apply_checked: Check) -> None:
    net = network(32)
    result = apply_checked(split_adds, net.finish(sum_of(net, constant=True)))
    assert len(result.ops) == 3
    assert have_tables(result)


def test_one_side_alone_stays(network: Any) -> None:
    net = network(33)
    graph = net.finish(sum_of(net, Activation.RELU))
    assert have_tables(graph)
    assert not split_adds.apply(graph)[1]


def test_an_addition_with_tables_stays(network: Any) -> None:
    net = network(34)
    x = net.input(1, 4, 4, 3)
    assert not split_adds.apply(net.finish(net.add(x, net.conv(x, 3))))[1]


@pytest.mark.parametrize("widest", [1, 2, 30, 100])
def test_any_number_of_parts(
    network: Any, apply_checked: Check, monkeypatch: pytest.MonkeyPatch, widest: int
) -> None:
    """As if there were tables for ranges of up to ``widest`` levels above the first only."""

    def few_levels(*arguments: Any) -> SecondPass | None:
        low, high = arguments[-1]
        return add_tables(*arguments) if high - low <= widest else None

    monkeypatch.setattr(split_adds, "add_tables", few_levels)
    net = network(35)
    x, y = net.input(1, 16, 16, 3), net.input(1, 16, 16, 3)
    result = apply_checked(split_adds, net.finish(net.add(x, y)))
    parts = [op for op in result.ops if isinstance(op, Add) and op.inputs == [x, y]]
    assert all(op.clamp[1] - op.clamp[0] <= widest for op in parts)
    reached = sorted(op.clamp for op in parts)
    assert [low for low, _ in reached] == [-128, *(high for _, high in reached[:-1])]
    assert have_tables(result)


def test_a_residual_that_is_split_is_not_fused(network: Any, apply_checked: Check) -> None:
    net = network(36)
    x = net.input(1, 8, 8, 4)
    y = net.conv(x, 4)
    total = net.add(x, y)
    for tensor, quantization in zip((x, total), (HARD[0], HARD[2]), strict=True):
        net.graph.tensors[tensor].quantization = quantization
    net.graph.tensors[y].quantization = HARD[1]
    graph = optimize(net.finish(net.conv(total, 2, (3, 3))))
    assert [op.kind for op in graph.ops] == ["Conv2D", "Add", "Add", "Add", "Conv2D"]
    assert np.all([getattr(op, "epilogue", None) is None for op in graph.ops])
