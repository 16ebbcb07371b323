# SPDX-License-Identifier: BSD-2-Clause
"""Networks whose memory layout is the difficulty: views, parts, residuals, constants, borders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celosia.compiler.image import Image
from celosia.graph.ir import Graph
from celosia_hw.config import AcceleratorConfig
from celosia_sim.tflite_writer import per_tensor

Exact = Callable[..., Image]
Config = Callable[..., AcceleratorConfig]
Load = Callable[[bytes], Graph]
#: The fixture of that name; conftest.py has the class.
Network = Any

ARRAYS = ["4x4", "8x16", "2x8", "16x2"]


def count(image: Image, opcode: str) -> int:
    return sum(info.opcode == opcode for info in image.instructions)


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_concatenation_in_place(
    axis: int, array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    x = network.input(1, 5, 6, 7)
    common = {"output": per_tensor(0.4, 3)}
    parts = [network.conv(x, 7, **common), network.depthwise(x, **common)]
    parts.append(network.conv(x, 7, (3, 3), **common))
    whole = network.builder.concatenation(parts, axis)
    graph = network.load(load, network.conv(whole, 5, (3, 3)))
    image = exact(graph, config(array))
    assert count(image, "MAX") == 0


@pytest.mark.parametrize("array", ARRAYS)
def test_concatenation_of_shared_operands(
    array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    """The input and a repeated operand are copied, and so is a part with a border of its own."""
    x = network.input(1, 4, 4, 6, scale=0.05, zero_point=-7)
    y = network.builder.max_pool_2d(x, window=(2, 2), stride=(1, 1), padding="SAME")
    z = network.conv(y, 3, (3, 3))
    whole = network.builder.concatenation([x, y, y], 3)
    outer = network.builder.concatenation([whole, y], 3)
    graph = network.load(load, network.conv(outer, 4), z)
    image = exact(graph, config(array))
    assert count(image, "MAX") >= 3


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize(
    "amounts",
    [
        [(0, 0), (1, 2), (3, 0), (0, 0)],
        [(0, 0), (0, 0), (0, 0), (2, 3)],
        [(0, 0), (1, 0), (0, 2), (1, 1)],
    ],
)
def test_pad(
    amounts: list[tuple[int, int]],
    array: str,
    network: Network,
    load: Load,
    exact: Exact,
    config: Config,
) -> None:
    x = network.input(1, 4, 5, 6)
    y = network.builder.pad(network.conv(x, 6), amounts)
    z = network.builder.max_pool_2d(y, window=(2, 2))
    image = exact(network.load(load, z, y), config(array))
    assert count(image, "FILL") >= 1
    # The convolution stores into the padded tensor itself.
    assert count(image, "MAX") == 1


@pytest.mark.parametrize("array", ARRAYS)
def test_reshape_between_borders(
    array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    """Neither side can be compact: two copies, by way of a compact one."""
    x = network.input(1, 4, 6, 5)
    y = network.conv(network.conv(x, 6), 6, (3, 3))
    first = network.conv(y, 2, (3, 3))
    z = network.builder.reshape(y, (1, 6, 8, 3))
    graph = network.load(load, network.conv(z, 3, (3, 3)), first)
    image = exact(graph, config(array))
    assert count(image, "MAX") == 2


@pytest.mark.parametrize("array", ARRAYS)
def test_reshape_is_a_view(
    array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    x = network.input(1, 4, 6, 5)
    y = network.builder.reshape(network.conv(x, 6), (1, 9, 16))
    z = network.dense(y, 7, 16, keep_num_dims=True)
    image = exact(network.load(load, z), config(array))
    assert count(image, "MAX") == 0


@pytest.mark.parametrize("array", ARRAYS)
def test_flatten_of_a_bordered_image(
    array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    """A fully connected layer reads all of an image around whose lines lies a border."""
    x = network.input(1, 5, 4, 6)
    y = network.conv(x, 6)
    side = network.conv(y, 3, (3, 3))
    z = network.dense(network.builder.reshape(y, (1, 120)), 9, 120)
    image = exact(network.load(load, z, side), config(array))
    assert count(image, "MAX") == 0


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("inputs", [8, 48, 16, 192])
def test_fully_connected_rows(
    inputs: int, array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    """Rows are pixels, lines, parts of lines, and the whole image."""
    x = network.input(1, 4, 6, 8)
    graph = network.load(load, network.dense(x, 5, inputs))
    exact(graph, config(array))


@pytest.mark.parametrize("array", ARRAYS)
def test_residual_takes_the_operands_place(
    array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    x = network.input(1, 6, 5, 3)
    a = network.conv(x, 6, (3, 3))
    b = network.conv(network.conv(a, 6, (3, 3)), 6, (3, 3))
    total = network.builder.add(a, b, per_tensor(0.6, -4))
    graph = network.load(load, network.conv(total, 4, (3, 3)))
    image = exact(graph, config(array))
    first, _, added = (layer.output for layer in image.layers[:3])
    assert added is not None
    assert first is not None
    assert added.address == first.address


@pytest.mark.parametrize("array", ARRAYS)
def test_residual_that_lives_on(
    array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    x = network.input(1, 6, 5, 3)
    a = network.conv(x, 6, (3, 3))
    total = network.builder.add(network.conv(a, 6, (3, 3)), a, per_tensor(0.6, -4))
    exact(network.load(load, network.builder.add(total, a, per_tensor(0.7, 9))), config(array))


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 6), (1, 5, 4, 6), (6,)])
def test_add_of_a_constant(
    shape: tuple[int, ...],
    array: str,
    network: Network,
    load: Load,
    exact: Exact,
    config: Config,
) -> None:
    x = network.input(1, 5, 4, 6)
    values = network.rng.integers(-128, 128, shape).astype(np.int8)
    constant = network.builder.constant("constant", values, per_tensor(0.02, 5))
    y = network.builder.add(network.builder.logistic(x), constant, per_tensor(0.03, -9))
    exact(network.load(load, y), config(array))


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("optimized", [False, True])
def test_tables(
    optimized: bool, array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    """Functions alone, behind convolutions, and behind each other."""
    x = network.input(1, 5, 3, 7)
    y = network.builder.tanh(network.conv(network.builder.logistic(x), 5, (3, 3)))
    z = network.builder.hard_swish(network.depthwise(y), per_tensor(0.1, 2))
    exact(network.load(load, z, optimized=optimized), config(array))


@pytest.mark.parametrize("array", ARRAYS)
def test_border_of_a_reused_place_is_filled_again(
    array: str, network: Network, load: Load, exact: Exact, config: Config
) -> None:
    """Layers of one shape but different zero points take turns in the same two places."""
    x = network.input(1, 6, 6, 8)
    for zero_point in (-128, -128, 5, 5, -128, -128, -128, -128):
        x = network.conv(x, 8, (3, 3), zero_point=zero_point)
    image = exact(network.load(load, x), config(array))
    # Without any reuse there would be 3 for each of the 8 tensors that are read with padding.
    assert 3 < count(image, "FILL") < 24


def test_one_row_of_a_border_serves_two_consumers(
    network: Network, load: Load, exact: Exact, config: Config
) -> None:
    x = network.input(1, 7, 7, 4)
    y = network.conv(x, 8)
    parts = [network.conv(y, 3, (3, 3)), network.conv(y, 3, (5, 1)), network.conv(y, 3, (1, 7))]
    exact(network.load(load, *parts), config())


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("window", [(3, 3), (7, 7), (5, 9)])
def test_kernel_wider_than_the_image(
    window: tuple[int, int],
    array: str,
    network: Network,
    load: Load,
    exact: Exact,
    config: Config,
) -> None:
    """Left and right borders must not overlap within a kernel."""
    x = network.input(1, 3, 1, 5)
    y = network.conv(x, 6, window)
    z = network.depthwise(network.conv(y, 3, window), window)
    exact(network.load(load, z), config(array))


def test_borders_longer_than_an_instruction_counts(
    network: Network, load: Load, exact: Exact, config: Config
) -> None:
    """A row of the border takes several FILLs, which the memory plan must have room for."""
    x = network.input(1, 2, 700, 16)
    graph = network.load(load, network.conv(x, 4, (5, 5)))
    image = exact(graph, config())
    assert count(image, "FILL") > 3
