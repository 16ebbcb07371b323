# SPDX-License-Identifier: BSD-2-Clause
"""Depthwise convolutions, pools and large shapes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from celosia.compiler.image import Image
from celosia.graph.ir import Graph
from celosia_hw.config import AcceleratorConfig

Exact = Callable[..., Image]
Config = Callable[..., AcceleratorConfig]
Load = Callable[[bytes], Graph]
#: The fixture of that name; conftest.py has the class.
Network = Any

ARRAYS = ["4x4", "8x16", "2x8", "16x2"]
WINDOWS = [(3, 3), (5, 1), (1, 7), (10, 2)]


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("stride", "dilation"), list(product([1, 2, 3], [1, 2])))
def test_depthwise(
    stride: int,
    dilation: int,
    window: tuple[int, int],
    array: str,
    network: Network,
    load: Load,
    exact: Exact,
    config: Config,
) -> None:
    """Strides that share factors with the dilation or not, kernels longer than the chain."""
    if stride > 1 and dilation > 1:
        dilation = 2 if stride != 2 else 4
    x = network.input(1, 11, 9, 6)
    options = {"stride": (stride, stride), "dilation": (dilation, dilation)}
    graph = network.load(load, network.depthwise(x, window, **options))
    exact(graph, config(array))


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("multiplier", [2, 3, 8])
def test_depth_multiplier(
    multiplier: int, array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    x = network.input(1, 6, 5, 5)
    graph = network.load(load, network.depthwise(x, multiplier=multiplier, stride=(2, 1)))
    exact(graph, config(array))


def test_narrow_chain_falls_back_to_sums(
    network: Network, load: Load, exact: Exact, config: Config
) -> None:
    """Depthwise sums that the chain cannot hold are computed by rows of the array."""
    x = network.input(1, 9, 9, 6)
    graph = network.load(load, network.depthwise(x, (7, 7)))
    wide = exact(graph, config(chain_bits=24))
    narrow = exact(graph, config(chain_bits=16))
    assert [i.opcode for i in wide.instructions if i.layer == 0][-1] == "CHAIN"
    assert [i.opcode for i in narrow.instructions if i.layer == 0][-1] == "CONV"
    assert narrow.cycles > wide.cycles


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("window", [(2, 2), (3, 2), (5, 5)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_pools(
    padding: str,
    stride: int,
    window: tuple[int, int],
    array: str,
    network: Network,
    load: Load,
    exact: Exact,
    config: Config,
) -> None:
    options = {"window": window, "stride": (stride, stride), "padding": padding}
    x = network.input(1, 7, 8, 6)
    y = network.builder.max_pool_2d(x, **options)
    z = network.builder.average_pool_2d(x, **options)
    exact(network.load(load, y, z), config(array))


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("size", [(1, 1), (9, 7), (40, 30), (81, 90)])
def test_mean(
    size: tuple[int, int],
    array: str,
    network: Network,
    load: Load,
    exact: Exact,
    config: Config,
) -> None:
    x = network.input(1, *size, 5)
    y = network.builder.average_pool_2d(x, window=size, stride=size)
    graph = network.load(load, network.builder.mean(x), y, optimized=False)
    exact(graph, config(array, scratch_bytes=128 * 1024))


@pytest.mark.parametrize("shape", [(5000, 1, 2), (1, 5000, 2), (3, 2000, 1)])
def test_more_positions_than_an_instruction_counts(
    shape: tuple[int, int, int], network: Network, load: Load, exact: Exact, config: Config
) -> None:
    x = network.input(1, *shape)
    y = network.depthwise(network.conv(x, 2), (3, 1))
    graph = network.load(load, network.builder.max_pool_2d(y, window=(1, 1), stride=(1, 1)))
    exact(graph, config(scratch_bytes=256 * 1024))


def test_more_groups_than_an_instruction_counts(
    network: Network, load: Load, exact: Exact, config: Config
) -> None:
    x = network.input(1, 1, 2, 3)
    exact(network.load(load, network.conv(x, 8300)), config("2x2", scratch_bytes=512 * 1024))


def test_more_inputs_than_a_loop_counts(
    network: Network, load: Load, exact: Exact, config: Config
) -> None:
    """Words stream through a memory that holds a fraction of a group."""
    x = network.input(1, 20_001)
    graph = network.load(load, network.dense(x, 3, 20_001))
    exact(graph, config("2x2", scratch_bytes=128 * 1024, weight_depth=64))


@pytest.mark.parametrize("array", ["2x2", "4x4", "8x16"])
def test_kernel_larger_than_the_weight_memory(
    array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    """Every position takes the weights from the ring anew."""
    x = network.input(1, 4, 3, 60)
    y = network.depthwise(network.conv(x, 5, (3, 3)), (5, 5))
    image = exact(network.load(load, y), config(array, weight_depth=16))
    assert len(image.instructions) > 12
