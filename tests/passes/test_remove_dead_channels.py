# SPDX-License-Identifier: BSD-2-Clause
"""Channels that are constant or unread go; those that are needed stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celosia.graph.ir import Activation, Function, Graph, Padding
from celosia.passes import (
    fuse_add,
    fuse_table,
    lower_functions,
    remove_dead_channels,
    remove_unused,
)

Check = Callable[..., Graph]
SAME = Padding(1, 1, 1, 1)


def channels(graph: Graph) -> list[int]:
    """Output channels of each operation."""
    return [graph.tensors[op.output].shape[-1] for op in graph.ops]


def fixed_point(graph: Graph) -> Graph:
    changed = True
    while changed:
        graph, changed = remove_dead_channels.apply(graph)
    return graph


def test_the_constant_moves_into_the_bias(network: Any, apply_checked: Check) -> None:
    net = network(1)
    x = net.conv(net.input(1, 5, 5, 3), 6, dead=(0, 2, 5))
    graph = net.finish(net.conv(x, 4, (3, 3)))
    result = apply_checked(remove_dead_channels, graph)
    assert channels(result) == [3, 4]
    biases = [vars(g.ops[1])["bias"] for g in (graph, result)]
    assert not np.array_equal(*biases)
    apply_checked(remove_dead_channels, result, changes=False)


@pytest.mark.parametrize(("zero_point", "kept"), [(-128, 4), (-100, 4), (5, 6)])
def test_a_constant_that_is_not_the_padding_stays(
    network: Any, apply_checked: Check, zero_point: int, kept: int
) -> None:
    # With ReLU the pinned channels have the zero point's value, without it -128.
    activation = Activation.NONE if zero_point == 5 else Activation.RELU
    net = network(2)
    x = net.conv(
        net.input(1, 5, 5, 3), 6, pinned=(1, 4), zero_point=zero_point, activation=activation
    )
    graph = net.finish(net.conv(x, 4, (3, 3), padding=SAME))
    result = apply_checked(remove_dead_channels, graph, changes=kept < 6)
    assert channels(result) == [kept, 4]
    unpadded = network(2)
    x = unpadded.conv(
        unpadded.input(1, 5, 5, 3), 6, pinned=(1, 4), zero_point=zero_point, activation=activation
    )
    graph = unpadded.finish(unpadded.conv(x, 4, (3, 3)))
    assert channels(apply_checked(remove_dead_channels, graph)) == [4, 4]


def test_padding_that_no_window_reaches_is_still_padding_of_one_tap(
    network: Any, apply_checked: Check
) -> None:
    """A dead channel in front of a padded pointwise convolution varies at the border."""
    net = network(3)
    x = net.conv(net.input(1, 5, 5, 3), 4, pinned=(2,), zero_point=30)
    graph = net.finish(net.conv(x, 4, (1, 1), padding=SAME))
    apply_checked(remove_dead_channels, graph, changes=False)


def test_unread_channels_go(network: Any, apply_checked: Check) -> None:
    net = network(4)
    x = net.conv(net.input(1, 5, 5, 3), 6)
    graph = net.finish(net.conv(x, 4, (3, 3), unread=(1, 3), padding=SAME))
    assert channels(apply_checked(remove_dead_channels, graph)) == [4, 4]


def test_a_channel_that_one_of_two_readers_needs_stays(network: Any, apply_checked: Check) -> None:
    net = network(5)
    x = net.conv(net.input(1, 5, 5, 3), 6)
    graph = net.finish(net.conv(x, 4, unread=(1, 3)), net.conv(x, 4, unread=(3, 5)))
    assert channels(apply_checked(remove_dead_channels, graph)) == [5, 4, 4]


def test_removal_goes_on_backwards(network: Any) -> None:
    net = network(6)
    x = net.conv(net.input(1, 5, 5, 3), 6)
    x = net.conv(net.conv(x, 4, unread=(0,)), 5)
    graph = net.finish(net.conv(x, 3, unread=(1, 2, 3)))
    # Now only two channels of the third convolution read the second, all of whose channels...
    third = graph.ops[2]
    vars(third)["weights"][[0, 4], :, :, 1] = 0  # ... but the second one they still need.
    assert channels(fixed_point(graph)) == [5, 3, 2, 3]


@pytest.mark.parametrize("multiplier", [1, 2])
def test_through_depthwise_pools_and_means(
    network: Any, same_bytes: Callable[..., None], multiplier: int
) -> None:
    net = network(7)
    x = net.conv(net.input(1, 9, 9, 3), 6, dead=(0, 5), zero_point=-128, activation=Activation.RELU)
    x = net.depthwise(x, multiplier=multiplier, padding=SAME)
    x = net.max_pool(net.average_pool(x, (2, 2), stride=(2, 2)), (2, 2))
    graph = net.finish(net.dense(net.mean(x), 4))
    bias = vars(graph.ops[0])["bias"]
    bias[[0, 5]] = -500  # ReLU makes both channels the zero point
    result = fixed_point(graph)
    same_bytes(graph, result)
    assert channels(result) == [
        4,
        4 * multiplier,
        4 * multiplier,
        4 * multiplier,
        4 * multiplier,
        4,
    ]


def test_half_a_group_of_a_depthwise_stays_whole(network: Any, apply_checked: Check) -> None:
    net = network(8)
    x = net.conv(net.input(1, 5, 5, 3), 4)
    x = net.depthwise(x, multiplier=2, dead=(0, 1, 4))  # of channel 2 only one half is dead
    result = apply_checked(remove_dead_channels, net.finish(net.conv(x, 4)))
    assert channels(result) == [3, 6, 4]


def test_flattened_channels_go(network: Any, apply_checked: Check) -> None:
    net = network(9)
    x = net.conv(net.input(1, 3, 2, 3), 5, dead=(1, 2))
    graph = net.finish(net.dense(net.reshape(x, 1, 30), 4))
    result = apply_checked(remove_dead_channels, graph)
    assert channels(result) == [3, 18, 4]
    net = network(9)
    x = net.conv(net.input(1, 3, 2, 3), 5, dead=(1, 2))
    result = apply_checked(remove_dead_channels, net.finish(net.dense(x, 4)))
    assert channels(result) == [3, 4]
    assert vars(result.ops[1])["weights"].shape == (4, 18)


def test_a_reshape_that_mixes_channels_keeps_them(network: Any, apply_checked: Check) -> None:
    net = network(10)
    x = net.conv(net.input(1, 3, 2, 3), 5, dead=(1, 2))
    graph = net.finish(net.dense(net.reshape(x, 1, 5, 6), 4))
    apply_checked(remove_dead_channels, graph, changes=False)


def test_rows_of_a_dense_layer_that_split_pixels_keep_them(
    network: Any, apply_checked: Check
) -> None:
    net = network(11)
    x = net.conv(net.input(1, 3, 2, 3), 6, dead=(1, 2))
    apply_checked(remove_dead_channels, net.finish(net.dense(x, 4, depth=4)), changes=False)


def test_through_tables(network: Any, apply_checked: Check) -> None:
    net = network(12)
    x = net.function(net.conv(net.input(1, 5, 5, 3), 6, dead=(3,)), Function.LOGISTIC)
    graph = lower_functions.apply(net.finish(net.conv(x, 4, (3, 3))))[0]
    assert channels(apply_checked(remove_dead_channels, graph)) == [5, 5, 4]
    graph = fuse_table.apply(graph)[0]
    assert channels(apply_checked(remove_dead_channels, graph)) == [5, 4]


@pytest.mark.parametrize("fused", [False, True])
def test_additions_tie_their_operands(network: Any, apply_checked: Check, fused: bool) -> None:
    net = network(13)
    x = net.conv(net.input(1, 5, 5, 3), 6, dead=(0, 1))
    y = net.conv(net.input(1, 5, 5, 2), 6, dead=(1, 2))
    graph = net.finish(net.conv(net.add(x, y), 4))
    if fused:
        graph = remove_unused.apply(fuse_add.apply(graph)[0])[0]
        assert len(graph.ops) == 3
    # Channel 1 is constant in both, thus in the sum; 0 and 2 are not.
    result = apply_checked(remove_dead_channels, graph)
    assert channels(result) == ([5, 5, 4] if fused else [5, 5, 5, 4])


def test_constant_operands_of_additions_are_cut(network: Any, apply_checked: Check) -> None:
    net = network(14)
    x = net.conv(net.input(1, 5, 5, 3), 6, dead=(0, 1))
    constant = net.constant(6)
    net.graph.tensors[constant].data //= 4  # not so large that sums saturate
    result = apply_checked(remove_dead_channels, net.finish(net.conv(net.add(x, constant), 4)))
    assert channels(result) == [4, 4, 4]
    assert result.tensors[constant].shape == (4,)
    net = network(15)
    x = net.conv(net.input(1, 5, 5, 3), 6, dead=(0, 1))
    graph = net.finish(net.conv(net.add(x, net.constant(1)), 4))
    apply_checked(remove_dead_channels, graph, changes=False)


def test_concatenations_shift_channels(network: Any, apply_checked: Check) -> None:
    net = network(16)
    x = net.conv(net.input(1, 5, 5, 3), 4, dead=(0,))
    y = net.conv(net.input(1, 5, 5, 2), 5, dead=(1, 2))
    graph = net.finish(net.conv(net.concatenation(x, y), 4, unread=(3,)))
    assert channels(apply_checked(remove_dead_channels, graph)) == [2, 3, 5, 4]
    net = network(17)
    x = net.conv(net.input(1, 5, 5, 3), 4, dead=(0, 1))
    y = net.conv(net.input(1, 2, 5, 2), 4, dead=(1, 2))
    graph = net.finish(net.conv(net.concatenation(x, y, axis=1), 4, (1, 3)))
    # Both have a constant channel 1, but its values differ along the height.
    result = apply_checked(remove_dead_channels, graph, changes=False)
    assert channels(result) == [4, 4, 4, 4]


def test_outputs_and_inputs_keep_their_channels(network: Any, apply_checked: Check) -> None:
    net = network(18)
    x = net.conv(net.input(1, 5, 5, 3), 4, dead=(0,), unread=(1,))
    apply_checked(remove_dead_channels, net.finish(net.softmax(x)), changes=False)
    apply_checked(remove_dead_channels, net.finish(net.conv(x, 2), x), changes=False)


def test_one_channel_stays(network: Any, apply_checked: Check) -> None:
    net = network(19)
    x = net.conv(net.input(1, 5, 5, 3), 4, dead=(0, 1, 2, 3))
    result = apply_checked(remove_dead_channels, net.finish(net.conv(x, 2)))
    assert channels(result) == [1, 2]
    net = network(20)
    x = net.conv(net.input(1, 5, 5, 3), 4)
    graph = net.finish(net.conv(net.depthwise(x), 2, unread=(0, 1, 2, 3)))
    assert channels(apply_checked(remove_dead_channels, graph)) == [1, 1, 2]


def test_a_bias_stays_within_32_bits(network: Any, apply_checked: Check) -> None:
    net = network(21)
    x = net.conv(net.input(1, 3, 3, 3), 4, pinned=(1, 3), zero_point=127)
    graph = net.finish(net.conv(x, 2))
    weights, bias = vars(graph.ops[1])["weights"], vars(graph.ops[1])["bias"]
    weights[:, 0, 0, 1], weights[:, 0, 0, 3] = (127, 1), (100, 2)
    bias[:] = (-(1 << 31) + 127 * 255 + 5, 0)  # room for channel 1's share of -255 * 127, no more
    # The accumulator can leave int32, so the result is undefined for most inputs; only structure
    # is compared, therefore.
    result, changed = remove_dead_channels.apply(graph)
    assert changed
    assert channels(result) == [3, 2]
    assert vars(result.ops[1])["bias"].tolist() == [bias[0] - 255 * 100, -255 * 2]


@pytest.mark.parametrize("activation", [Activation.RELU, Activation.NONE])
def test_a_clamp_pins_over_the_reachable_range(
    network: Any, apply_checked: Check, activation: Activation
) -> None:
    net = network(22)
    x = net.conv(net.input(1, 4, 4, 3), 3, zero_point=0, activation=activation)
    x = net.conv(x, 4, zero_point=-128)
    graph = net.finish(net.conv(x, 3))
    weights, bias = vars(graph.ops[1])["weights"], vars(graph.ops[1])["bias"]
    bias[:] = 0
    weights[..., 0] = 50
    weights[2] = -np.abs(weights[2] // 2)
    bias[2] = -1  # inputs below their zero point would make up for this; ReLU forbids them
    pinned = activation is Activation.RELU
    result = apply_checked(remove_dead_channels, graph, changes=pinned)
    assert channels(result) == [3, 3 if pinned else 4, 3]
