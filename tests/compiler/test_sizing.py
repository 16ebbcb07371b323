# SPDX-License-Identifier: BSD-2-Clause
"""Configurations for boards, and messages that say what would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from celosia.compiler.blocks import (
    blocks,
    ebr_blocks,
    fixed_blocks,
    parameter_blocks,
    scratch_blocks,
    weight_blocks,
)
from celosia.compiler.compile import compile_graph
from celosia.compiler.requirements import required_widths
from celosia.compiler.sizing import LANE_MULTIPLIERS, MULT18_PRODUCTS, size_config, standard_config
from celosia.compiler.suggest import suggestion
from celosia.errors import BoardError, FitError
from celosia.fits import fits
from celosia.graph.ir import Conv2D, Graph
from celosia_hw.boards import Board, MemoryKind, all_boards, get_board
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Source
from celosia_sim.program_model import first_difference
from celosia_sim.random_models import random_inputs

Load = Callable[[bytes], Graph]
BOARDS = all_boards()


def used_blocks(board: Board, config: AcceleratorConfig) -> int:
    kind = MemoryKind.DP16KD
    return (
        scratch_blocks(kind, config)
        + weight_blocks(kind, config)
        + parameter_blocks(kind, config)
        + fixed_blocks(kind, config)
    )


@pytest.mark.parametrize("board", BOARDS, ids=lambda b: b.name)
def test_standard_configurations_fit_their_boards(board: Board) -> None:
    config = standard_config(board, board.array)
    assert (config.output_channels, config.input_channels) == board.array
    if board.family == "ice40":
        assert scratch_blocks(MemoryKind.SPRAM, config) == 4
        assert ebr_blocks(config) <= 30
        assert config.scratch_single_port
    else:
        assert used_blocks(board, config) <= board.memories[0].blocks
        products = config.output_channels * config.input_channels
        used = products // MULT18_PRODUCTS[config.multipliers]
        assert used + LANE_MULTIPLIERS * config.requantize_lanes <= board.multipliers
        assert not config.scratch_single_port


@pytest.mark.parametrize(
    ("kind", "depth", "width", "expected"),
    [
        (MemoryKind.DP16KD, 512, 4, 1),
        (MemoryKind.DP16KD, 2048, 1, 1),
        (MemoryKind.DP16KD, 1024, 16, 8),
        (MemoryKind.DP16KD, 513, 4, 2),
        (MemoryKind.SPRAM, 16384, 4, 2),
        (MemoryKind.EBR, 256, 4, 2),
        (MemoryKind.EBR, 257, 2, 2),
    ],
)
def test_blocks(kind: MemoryKind, depth: int, width: int, expected: int) -> None:
    assert blocks(kind, depth, width) == expected


@pytest.mark.parametrize(
    ("board", "array", "message"),
    [
        ("icebreaker", (8, 16), r"needs 128 products a cycle, the 8 multipliers do 16"),
        ("icebreaker", (2, 8), r"banks of 8-byte words need 8 SPRAM blocks, there are 4"),
        (
            "ulx3s_25f",
            (8, 8),
            rf"needs {32 + LANE_MULTIPLIERS} multipliers, the board has 28$",
        ),
    ],
)
def test_impossible_arrays(board: str, array: tuple[int, int], message: str) -> None:
    with pytest.raises(BoardError, match=message):
        standard_config(get_board(board), array)


@pytest.fixture
def least(network: Any, load: Load) -> Graph:
    """A convolution with one weight of -128, which two products a multiplier cannot take."""
    graph: Graph = network.load(load, network.conv(network.input(1, 8, 8, 3), 8, (3, 3)))
    (op,) = graph.ops
    assert isinstance(op, Conv2D)
    op.weights = op.weights.copy()
    op.weights[5, 1, 2, 0] = -128
    return graph


@pytest.mark.parametrize("board", BOARDS, ids=lambda b: b.name)
def test_weights_of_minus_128_have_an_array_everywhere(least: Graph, board: Board) -> None:
    config = size_config(least, board, None)
    assert config.least_weight == -128
    if board.family == "ecp5":
        assert used_blocks(board, config) <= board.memories[0].blocks
        used = config.macs_per_cycle + LANE_MULTIPLIERS * config.requantize_lanes
        assert used <= board.multipliers
    assert first_difference(compile_graph(least, config), least, random_inputs(least, 1)) is None


def test_advice_was_tried(least: Graph) -> None:
    """Whatever array is asked for: what a message says would do is accepted."""
    cases = [
        ("icebreaker", (2, 8)),
        ("icebreaker", (8, 8)),
        ("ulx3s_25f", (4, 8)),
        ("ulx3s_25f", (8, 4)),
        ("ulx3s_25f", (16, 16)),
        ("ulx3s_85f", (16, 16)),
    ]
    for name, array in cases:
        board = get_board(name)
        with pytest.raises(BoardError, match=f"cannot have an array of {array[0]}x{array[1]}: "):
            size_config(least, board, array)
        advised = suggestion(least, board, None).removeprefix("the array ")
        outputs, inputs = map(int, advised.removesuffix(" would do").split("x"))
        compile_graph(least, size_config(least, board, (outputs, inputs)))


def test_reasons_name_no_other_board(least: Graph, network: Any, load: Load) -> None:
    large = network.load(load, network.conv(network.input(1, 600, 600, 3), 8, (3, 3)))
    assert all(record["fits"] for record in fits(least))
    for record in fits(large):
        assert not record["fits"]
        for other in BOARDS:
            assert other.title not in record["reason"]
            assert other.name not in record["reason"]


def test_ordinary_models_share_the_standard_configuration(network: Any, load: Load) -> None:
    x = network.input(1, 8, 8, 3)
    graph = network.load(load, network.conv(x, 8, (3, 3)))
    for name in ("icebreaker", "ulx3s_25f", "ulx3s_85f"):
        board = get_board(name)
        assert size_config(graph, board, None) == standard_config(board, board.array)


def test_widths_follow_the_model(network: Any, load: Load) -> None:
    """Biases of 30 bits make the accumulator wider, the rest stays."""
    x = network.input(1, 4, 4, 3)
    graph = network.load(load, network.conv(x, 4))
    (op,) = graph.ops
    assert isinstance(op, Conv2D)
    op.bias = np.array([1 << 29, -(1 << 29), 5, 0], dtype=np.int32)
    op.weight_scales = (1e-7,) * 4
    needed = required_widths(graph)
    assert needed.accumulator == 31
    config = size_config(graph, get_board("icebreaker"), None)
    assert config.accumulator_bits == 31
    assert config.multiplier_bits >= needed.multiplier
    # Entries of three units leave fewer blocks for weights.
    assert config.parameter_units == 3
    assert config.weight_depth < standard_config(get_board("icebreaker"), (4, 4)).weight_depth
    assert ebr_blocks(config) <= 30
    image = compile_graph(graph, config)
    assert first_difference(image, graph, random_inputs(graph, 0)) is None
    narrow = replace(config, accumulator_bits=30, chain_bits=22)
    with pytest.raises(FitError, match=r"accumulators need 31 bits, the configuration has 30; "):
        compile_graph(graph, narrow)
    if needed.multiplier > 16:
        narrow = replace(config, multiplier_bits=needed.multiplier - 1)
        with pytest.raises(FitError, match=r"needs a multiplier of \d+ bits"):
            compile_graph(graph, narrow)


def test_memory_blocks_go_where_the_model_needs_them(network: Any, load: Load) -> None:
    """Many weights, few activations: more weight memory than the standard; all resident."""
    board = get_board("ulx3s_85f")
    x = network.input(1, 640)
    y = network.dense(network.dense(x, 256, 640), 256, 256)
    graph = network.load(load, network.dense(y, 64, 256))
    standard = standard_config(board, board.array)
    config = size_config(graph, board, None)
    image = compile_graph(graph, config)
    assert image.usage["weight_words"] > standard.weight_depth
    assert image.usage["weight_source"] == 0
    assert config.weight_depth > standard.weight_depth
    assert used_blocks(board, config) <= board.memories[0].blocks
    assert first_difference(image, graph, random_inputs(graph, 0)) is None


def test_a_smaller_array_keeps_weights_on_the_chip(network: Any, load: Load) -> None:
    """1056 words of 256 bytes take as many memory blocks as 1536, words of 128 bytes do not."""
    board = get_board("ulx3s_85f")
    x = network.input(1, 640)
    y = network.dense(network.dense(x, 256, 640), 256, 256)
    graph = network.load(load, network.dense(y, 160, 256))
    sources = {}
    for array in (None, (16, 16)):
        config = size_config(graph, board, array)
        assert used_blocks(board, config) <= board.memories[0].blocks
        image = compile_graph(graph, config)
        sources[config.name] = Source(image.usage["weight_source"])
    assert sources == {"8x16": Source.RESIDENT, "16x16": Source.EXTERNAL}


def test_large_activations_get_a_larger_scratchpad(network: Any, load: Load) -> None:
    board = get_board("ulx3s_85f")
    x = network.input(1, 110, 100, 4)
    graph = network.load(load, network.conv(x, 12, (3, 3)))
    config = size_config(graph, board, None)
    assert config.scratch_bytes > standard_config(board, board.array).scratch_bytes
    assert used_blocks(board, config) <= board.memories[0].blocks


def test_too_large_for_a_board_names_one_that_holds_it(network: Any, load: Load) -> None:
    x = network.input(1, 120, 110, 4)
    graph = network.load(load, network.conv(x, 8, (3, 3)))
    board = get_board("icebreaker")
    with pytest.raises(FitError, match=r"is \d+ bytes short"):
        compile_graph(graph, size_config(graph, board, None))
    hint = suggestion(graph, board, None)
    name = hint.removeprefix("the board ").removesuffix(" would do")
    other = get_board(name)
    compile_graph(graph, size_config(graph, other, None))


def test_too_large_for_all_boards(network: Any, load: Load) -> None:
    x = network.input(1, 600, 600, 3)
    graph = network.load(load, network.conv(x, 8, (3, 3)))
    assert suggestion(graph, get_board("icebreaker"), None) == "no known board holds this model"


def test_larger_than_any_scratchpad(network: Any, load: Load) -> None:
    x = network.input(1, 2000, 2000, 3)
    graph = network.load(load, network.builder.average_pool_2d(x, window=(2000, 2000)))
    with pytest.raises(FitError, match=r"'input' has 12000000 bytes, no accelerator's scratchpad"):
        size_config(graph, get_board("ulx3s_85f"), None)


def test_a_demanded_configuration_is_named_as_the_reason(network: Any, load: Load) -> None:
    x = network.input(1, 32, 32, 4)
    graph = network.load(load, network.conv(x, 8, (3, 3)))
    tiny = AcceleratorConfig(scratch_bytes=4096)
    with pytest.raises(FitError):
        compile_graph(graph, tiny)
    assert "leave out the configuration" in suggestion(graph, get_board("icebreaker"), tiny)
