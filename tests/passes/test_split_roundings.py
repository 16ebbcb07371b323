# SPDX-License-Identifier: BSD-2-Clause
"""Operations that no single rounding requantizes become several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from benchmarks.channels import draw, outcome

from celosia.graph.ir import Activation, Conv2D, Graph, Lookup, Table
from celosia.passes import optimize, split_roundings
from celosia.passes.ranges import accumulator_bounds, tensor_ranges
from celosia.passes.requantization import single_rounding
from celosia_sim.reference import run
from celosia_sim.tflite_writer import per_tensor

Check = Callable[..., Graph]
TAPS = 600


def small_steps(net: Any) -> Conv2D:
    """A convolution with sums beyond 2^23 and scales of 2^-24 and 2^-23: some are halves."""
    x = net.input(1, 6, 6, TAPS, zero_point=0)
    net.conv(x, 3)
    op = net.graph.ops[0]
    assert isinstance(op, Conv2D)
    op.weights = np.full((3, 1, 1, TAPS), 127, np.int8)
    op.weights[..., :8] = 1
    op.bias = np.array([0, 1, -1], np.int32)
    net.graph.tensors[0].quantization = per_tensor(1.0)
    op.weight_scales = (2.0**-24, 2.0**-24, 2.0**-23)
    net.graph.tensors[op.output].quantization = per_tensor(1.0, 7)
    return op


def image(targets: np.ndarray) -> np.ndarray:
    """Pixels whose sums, without the bias, are the targets."""
    x = np.zeros((36, TAPS), np.int8)
    for pixel, target in zip(x, targets, strict=True):
        whole, rest = divmod(int(target), 127)
        share, more = divmod(whole, TAPS - 8)
        pixel[8:] = share
        pixel[8 : 8 + more] += 1
        pixel[0], pixel[1] = rest // 2, rest - rest // 2
    return x.reshape(1, 6, 6, TAPS)


def has_roundings(graph: Graph) -> bool:
    ranges = tensor_ranges(graph)
    return all(
        single_rounding(graph, op, accumulator_bounds(graph, op, ranges)) is not None
        for op in graph.ops
        if isinstance(op, Conv2D)
    )


def check_halves(before: Graph, after: Graph) -> None:
    halves = np.array([-2, -1, 1, 2])[:, None] * (1 << 22) + np.arange(-4, 5)
    x = image(halves.ravel())
    (output,) = before.outputs
    found, wanted = (run(graph, {0: x})[output] for graph in (after, before))
    np.testing.assert_array_equal(found, wanted)
    assert len(np.unique(wanted)) > 2


def test_halves_on_both_sides_of_zero(network: Any, apply_checked: Check) -> None:
    net = network(41)
    graph = net.finish(small_steps(net).output)
    assert not has_roundings(graph)
    result = apply_checked(split_roundings, graph)
    assert [op.kind for op in result.ops] == ["Conv2D", "Conv2D", "Add"]
    assert has_roundings(result)
    check_halves(graph, result)
    assert not split_roundings.apply(result)[1]


def test_the_sum_moves_into_the_second_part(network: Any) -> None:
    net = network(42)
    graph = net.finish(small_steps(net).output)
    result = optimize(graph)
    assert [op.kind for op in result.ops] == ["Conv2D", "Conv2D"]
    check_halves(graph, result)


@pytest.mark.parametrize("activation", [Activation.NONE, Activation.RELU])
def test_a_table_behind_it(network: Any, apply_checked: Check, activation: Activation) -> None:
    net = network(43)
    op = small_steps(net)
    op.activation = activation
    inner = net.graph.tensors[op.output].quantization
    op.epilogue = Table(tuple(net.rng.permutation(256) - 128), inner, "before")
    graph = net.finish(op.output)
    if activation is Activation.RELU:
        assert not split_roundings.apply(graph)[1]
        return
    result = apply_checked(split_roundings, graph)
    assert [part.kind for part in result.ops] == ["Conv2D", "Conv2D", "Add", "Lookup"]
    assert isinstance(result.ops[-1], Lookup)
    check_halves(graph, result)


def test_random_channels_of_extreme_scales() -> None:
    rng = np.random.default_rng(7)
    results: list[str] = []
    while len(results) < 60:
        channel = draw(rng)
        if channel is not None:
            results.append(outcome(channel, rng))
    assert all(result.startswith("parts ") for result in results)
