# SPDX-License-Identifier: BSD-2-Clause
"""Ranges hold for whatever input, and are as narrow as they can be where that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from celosia.graph.ir import Activation, Conv2D, DepthwiseConv2D, FullyConnected, Function, Padding
from celosia.passes import fuse_add, fuse_table, lower_functions
from celosia.passes.accumulators import Interval
from celosia.passes.ranges import accumulator_bounds, tensor_ranges
from celosia_sim.reference import run


def everything(net: Any) -> Any:
    """A graph with every operation whose range is inferred."""
    x = net.input(1, 6, 5, 3)
    a = net.conv(x, 4, (3, 2), padding=Padding(1, 1, 0, 1), activation=Activation.RELU, dead=(1,))
    b = net.depthwise(a, padding=Padding(1, 1, 1, 1), multiplier=2, stride=(2, 1))
    c = net.function(b, Function.LEAKY_RELU)
    d = net.concatenation(net.max_pool(c, (2, 2)), net.average_pool(c, (2, 2)))
    e = net.pad(d, (0, 0), (1, 0), (0, 1), (0, 2))
    f = net.add(net.conv(e, 5), net.conv(e, 5, dead=(2,)), Activation.RELU6)
    g = net.add(f, net.constant(5))
    h = net.function(net.mean(g), Function.TANH)
    i = net.dense(net.reshape(g, 1, int(np.prod(net.shape(g)))), 6, activation=Activation.RELU)
    return net.finish(net.softmax(h), i, net.dense(g, 4, depth=15), h)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("fused", [False, True])
def test_no_value_is_out_of_range(network: Any, seed: int, fused: bool) -> None:
    graph = everything(network(seed))
    if fused:
        for one in (lower_functions, fuse_table, fuse_add):
            graph = one.apply(graph)[0]
    ranges = tensor_ranges(graph)
    rng = np.random.default_rng(seed)
    shape = graph.tensors[graph.inputs[0]].shape
    samples = [
        rng.integers(-128, 128, shape).astype(np.int8),
        rng.choice([-128, 127], shape).astype(np.int8),
        np.full(shape, -128, np.int8),
        np.full(shape, 127, np.int8),
    ]
    for x in samples:
        for tensor, values in run(graph, x, keep=True).items():
            rows = values.reshape(-1, values.shape[-1]).astype(np.int64)
            assert (rows >= ranges[tensor].low).all()
            assert (rows <= ranges[tensor].high).all()


def test_constant_channels_are_known(network: Any) -> None:
    net = network(1)
    x = net.conv(net.input(1, 6, 6, 3), 5, dead=(1,), pinned=(3,))
    ranges = tensor_ranges(net.finish(x))
    assert ranges[x].constant.tolist() == [False, True, False, True, False]
    assert ranges[x].low[3] == -128


def own_sums(op: Any, image: Any, zero_point: int) -> Any:
    """Accumulators, one output position after the other, by the definition."""
    centred = image[0].astype(np.int64) - zero_point
    if isinstance(op, FullyConnected):
        return centred.reshape(-1, op.weights.shape[1]) @ op.weights.astype(np.int64).T + op.bias
    kernel = op.weights.shape[1:3] if isinstance(op, Conv2D) else op.weights.shape[:2]
    p = op.padding
    padded = np.pad(centred, ((p.top, p.bottom), (p.left, p.right), (0, 0)))
    sums = []
    for top in range(0, padded.shape[0] - (kernel[0] - 1) * op.dilation[0], op.stride[0]):
        for left in range(0, padded.shape[1] - (kernel[1] - 1) * op.dilation[1], op.stride[1]):
            taps = padded[top :: op.dilation[0], left :: op.dilation[1]][: kernel[0], : kernel[1]]
            if isinstance(op, Conv2D):
                sums.append(np.einsum("okli,kli->o", op.weights.astype(np.int64), taps) + op.bias)
            else:
                repeated = np.repeat(taps, op.multiplier, axis=2)
                sums.append((op.weights.astype(np.int64) * repeated).sum(axis=(0, 1)) + op.bias)
    return np.array(sums)


@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense"])
@pytest.mark.parametrize("padding", [Padding(), Padding(1, 2, 0, 3)])
def test_accumulators_reach_their_bounds(network: Any, kind: str, padding: Padding) -> None:
    """Inputs with the sign of the weights, as far as the range goes, give both ends."""
    for seed in range(4):
        net = network(seed)
        x = net.input(1, 4, 3, 3)
        source = net.max_pool(x, (1, 1), activation=Activation.RELU6)
        options = {"padding": padding, "stride": (1, 2), "dilation": (1, 1)}
        y = {
            "conv": lambda: net.conv(source, 4, (4, 3), **options),  # noqa: B023
            "depthwise": lambda: net.depthwise(source, (4, 3), multiplier=2, **options),  # noqa: B023
            "dense": lambda: net.dense(source, 4),  # noqa: B023
        }[kind]()
        graph = net.finish(y)
        op = graph.ops[1]
        assert isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected)
        ranges = tensor_ranges(graph)
        bounds = accumulator_bounds(graph, op, ranges)
        low, high = ranges[source].low, ranges[source].high
        centre = net.of(source).zero_point
        for channel in range(len(op.bias)):
            if isinstance(op, DepthwiseConv2D):
                weights = np.zeros((4, 3, 3), np.int8)
                weights[:, :, channel // 2] = op.weights[:, :, channel]
            else:
                weights = op.weights[channel].reshape(4, 3, 3)
            for end, towards in ((bounds.low, -1), (bounds.high, 1)):
                image = np.where(weights * towards > 0, high, low)[np.newaxis]
                sums = own_sums(op, image, centre)[:, channel]
                extreme = sums.min() if towards < 0 else sums.max()
                if padding == Padding():
                    assert extreme == end[channel]
                else:
                    assert towards * extreme <= towards * end[channel]


def test_padding_counts_as_zero(network: Any) -> None:
    net = network(30)
    x = net.input(1, 2, 2, 1, zero_point=-128)  # inputs count 0..255, so padding adds no range
    y = net.conv(x, 1, (3, 3), padding=Padding(1, 1, 1, 1))
    graph = net.finish(y)
    op = graph.ops[0]
    assert isinstance(op, Conv2D)
    op.weights = np.abs(op.weights // 2 + 1).astype(np.int8)
    bounds = accumulator_bounds(graph, op, tensor_ranges(graph))
    assert bounds.low.tolist() == op.bias.tolist()
    total = op.bias + 255 * op.weights.sum(axis=(1, 2, 3), dtype=np.int64)
    assert bounds.high.tolist() == total.tolist()


def test_taps_that_are_always_outside_count_nothing(network: Any) -> None:
    net = network(31)
    x = net.input(1, 1, 1, 2)
    y = net.conv(x, 3, (3, 3), padding=Padding(1, 1, 1, 1))
    graph = net.finish(y)
    op = graph.ops[0]
    assert isinstance(op, Conv2D)
    bounds = accumulator_bounds(graph, op, tensor_ranges(graph))
    centre, middle = net.of(x).zero_point, op.weights[:, 1, 1].astype(np.int64)
    ends = middle[:, :, np.newaxis] * np.array([-128 - centre, 127 - centre])
    assert bounds.low.tolist() == (ends.min(axis=2).sum(axis=1) + op.bias).tolist()
    assert bounds.high.tolist() == (ends.max(axis=2).sum(axis=1) + op.bias).tolist()


def test_undefined_results_may_be_anything(network: Any) -> None:
    net = network(32)
    y = net.conv(net.input(1, 2, 2, 1), 2)
    graph = net.finish(y)
    op = graph.ops[0]
    assert isinstance(op, Conv2D)
    op.weight_scales = (1000.0, op.weight_scales[1])  # shifts accumulators out of 32 bits
    op.bias = np.array([1 << 24, 1 << 28], np.int32)
    ranges = tensor_ranges(graph)
    assert (ranges[y].low[0], ranges[y].high[0]) == (-128, 127)
    assert (ranges[y].low[1], ranges[y].high[1]) == (127, 127)


def test_intervals() -> None:
    interval = Interval(np.array([-5, 3]), np.array([9, 3]))
    assert interval.constant.tolist() == [False, True]
    clipped = interval.clipped(0, 2)
    assert (clipped.low.tolist(), clipped.high.tolist()) == ([0, 2], [2, 2])
