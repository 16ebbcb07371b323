# SPDX-License-Identifier: BSD-2-Clause
"""Chooses the configuration of an accelerator for a board and a model.

A board's standard configuration is kept wherever the model runs on it, so that models share an
accelerator. Otherwise the arithmetic is widened to what exactness needs, and on devices with one
kind of memory blocks these are divided anew between weights and activations, if need be with a
smaller array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from celosia.compiler.blocks import (
    blocks,
    ebr_blocks,
    fixed_blocks,
    memory_of,
    parameter_blocks,
    scratch_blocks,
    weight_blocks,
)
from celosia.compiler.compile import make_plan
from celosia.compiler.layout import round_up
from celosia.compiler.requirements import Widths, required_widths
from celosia.errors import BoardError, FitError
from celosia.graph.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph
from celosia_hw.boards import Board, MemoryKind
from celosia_hw.config import SHIFT_BITS, TIE_BITS, AcceleratorConfig
from celosia_hw.isa import Source

#: MULT18X18D blocks of a requantizer lane: its 24 by 28 bits make four partial products of 18 by
#: 18 bits, of which the smallest, 7 by 11 bits, is left to LUTs.
LANE_MULTIPLIERS = 3
#: Chain rows: kernels of three taps on the small devices, of four elsewhere, in one go; longer
#: kernels take several.
_ICE40_CHAIN_ROWS = 3
_ECP5_CHAIN_ROWS = 4
#: Products of 8-bit numbers that an SB_MAC16 does.
MAC16_PRODUCTS = 2
#: Those that a MULT18X18D does, by the configuration's ``multipliers``.
MULT18_PRODUCTS = {"mult18": 1, "mult18_pair": 2}
#: Bits of the depthwise accumulators on iCE40: 31 products of int8. A model may widen them.
_ICE40_CHAIN_BITS = 20
_MAX_SCRATCH = 1 << 20
#: The blocks of ECP5, and words of one at its widest.
_KIND = MemoryKind.DP16KD
_ROW_STEP = 512
#: Blocks that a standard configuration takes at most.
_ECP5_SCRATCH_BLOCKS = 36
_ECP5_WEIGHT_BLOCKS = 64


def size_config(graph: Graph, board: Board, array: tuple[int, int] | None) -> AcceleratorConfig:
    """The configuration for ``graph`` on ``board``.

    If no array is given it is the board's own; or a smaller one, if the board's multipliers are too
    few for weights of -128, or if that is what keeps the weights on the chip: fewer weights a word
    leave less of the memory blocks unused.

    Raises:
        BoardError: the board cannot have that array.
        FitError: no division of the board's memory holds the model.
        ModelError: the model cannot be compiled for any configuration.
    """
    arrays = [array] if array else [board.array]
    if array is None and board.family == "ecp5":
        rows, lanes = board.array
        arrays += [(rows // 2, lanes), (rows, lanes // 2), (rows // 2, lanes // 2)]
    needed, least_weight = required_widths(graph), _least_weight(graph)
    streaming: AcceleratorConfig | None = None
    first: tuple[int, int] | None = None
    error: BoardError | FitError | None = None
    for tried in arrays:
        try:
            standard = standard_config(board, tried, least_weight=least_weight)
        except BoardError as reason:
            error = error or reason
            continue
        config = _widened(standard, needed)
        if board.family == "ice40":
            return _with_ebr(board, config)
        first = first or tried
        try:
            for candidate in _divisions(graph, board, config):
                if _free(board, candidate) < weight_blocks(_KIND, candidate):
                    continue
                try:
                    plan = make_plan(graph, candidate)
                except FitError as reason:
                    # Of the first array that the board can have, the last division goes furthest.
                    if tried == first:
                        error = reason
                    continue
                if plan.weights.source != Source.EXTERNAL:
                    return candidate
                streaming = streaming or candidate
        except FitError as reason:
            error = error or reason
    if streaming is None:
        raise error or FitError(f"{graph.name}: the board has too few memory blocks")
    return streaming


def standard_config(
    board: Board, array: tuple[int, int], *, least_weight: int = -127
) -> AcceleratorConfig:
    """What a board gets for a model without particular needs.

    Raises:
        BoardError: the array needs more multipliers or wider memory than the board has.
    """
    if board.family == "ice40":
        return _ice40(board, array)
    return _ecp5(board, array, least_weight)


def _least_weight(graph: Graph) -> int:
    """The least of all weights. The specification of TensorFlow Lite's quantization keeps them from
    -127 on, but not every converter does."""
    weighted = (op for op in graph.ops if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected))
    return min((int(op.weights.min()) for op in weighted), default=-127)


def _ice40(board: Board, array: tuple[int, int]) -> AcceleratorConfig:
    """Activations in SPRAM; weights and parameters in EBR."""
    outputs, inputs = array
    config = AcceleratorConfig(
        output_channels=outputs,
        input_channels=inputs,
        chain_rows=min(outputs, _ICE40_CHAIN_ROWS),
        chain_bits=_ICE40_CHAIN_BITS,
        multipliers="mac16",
        weight_depth=min(512 * 16 // (outputs * inputs), 2048),
    )
    spram = memory_of(board.memories, MemoryKind.SPRAM)
    if outputs * inputs > MAC16_PRODUCTS * board.multipliers:
        raise _no_array(
            array,
            f"it needs {outputs * inputs} products a cycle, the {board.multipliers} multipliers "
            f"do {MAC16_PRODUCTS * board.multipliers}",
        )
    if scratch_blocks(MemoryKind.SPRAM, config) > spram.blocks:
        raise _no_array(
            array,
            f"its two memory banks of {config.word_bytes}-byte words need "
            f"{scratch_blocks(MemoryKind.SPRAM, config)} SPRAM blocks, there are {spram.blocks}",
        )
    return config


def _ecp5(board: Board, array: tuple[int, int], least_weight: int) -> AcceleratorConfig:
    """Everything in DP16KD: about a third of the blocks for activations, half for weights, but no
    more than ``_ECP5_SCRATCH_BLOCKS`` and ``_ECP5_WEIGHT_BLOCKS``.

    A multiplier does one product, which takes fewer LUTs, if the array leaves enough of them for
    the requantizer, and a quarter in any case. Blocks and multipliers lie in all places of a chip:
    a design that takes most of them has long ways.
    """
    outputs, inputs = array
    kinds = ("mult18",) if least_weight < -127 else ("mult18", "mult18_pair")
    lanes, multipliers, spare = 0, kinds[-1], 0
    for kind in kinds:
        left = board.multipliers - outputs * inputs // MULT18_PRODUCTS[kind]
        fit = [q for q in (8, 4, 2, 1) if q <= min(array) and LANE_MULTIPLIERS * q <= left]
        crowded = 4 * spare < board.multipliers
        if fit and (fit[0] > lanes or (fit[0] == lanes and crowded)):
            lanes, multipliers, spare = fit[0], kind, left
    if not lanes:
        needed = outputs * inputs // MULT18_PRODUCTS[multipliers] + LANE_MULTIPLIERS
        why = " (two products a multiplier need weights above -128)" if least_weight < -127 else ""
        raise _no_array(
            array,
            f"it needs {needed} multipliers{why}, the board has {board.multipliers}",
        )
    total = memory_of(board.memories, _KIND).blocks
    config = AcceleratorConfig(
        output_channels=outputs,
        input_channels=inputs,
        chain_rows=min(outputs, _ECP5_CHAIN_ROWS),
        scratch_single_port=False,
        scratch_bytes=_scratch(min(total // 3, _ECP5_SCRATCH_BLOCKS), array),
        parameter_depth=_ROW_STEP,
        weight_depth=_ROW_STEP,
        requantize_lanes=lanes,
        multipliers=multipliers,
    )
    return _with_weights(board, config, min(total // 2, _ECP5_WEIGHT_BLOCKS))


def _with_weights(board: Board, config: AcceleratorConfig, limit: int) -> AcceleratorConfig:
    """The deepest weight memory, in steps of a block, within ``limit`` and what is left."""
    free = min(limit, _free(board, config))
    depth = _ROW_STEP * (free // config.weight_chunks)
    return replace(config, weight_depth=min(max(depth, _ROW_STEP), 1 << 16))


def _free(board: Board, config: AcceleratorConfig) -> int:
    """Blocks that are left for weights."""
    total = memory_of(board.memories, _KIND).blocks
    used = fixed_blocks(_KIND, config) + parameter_blocks(_KIND, config)
    return total - used - scratch_blocks(_KIND, config)


def _scratch(count: int, array: tuple[int, int]) -> int:
    """Bytes of the largest scratchpad of ``count`` blocks."""
    word = max(4, *array)
    unit = 2 * blocks(_KIND, _ROW_STEP, word)
    return min(count // unit * _ROW_STEP * 2 * word, _MAX_SCRATCH)


def _with_ebr(board: Board, config: AcceleratorConfig) -> AcceleratorConfig:
    """``config`` with as deep a weight memory as the EBR blocks leave room for."""
    ebr = memory_of(board.memories, MemoryKind.EBR)
    while ebr_blocks(config) > ebr.blocks:
        config = replace(config, weight_depth=config.weight_depth // 2)
    return config


def _no_array(array: tuple[int, int], reason: str) -> BoardError:
    return BoardError(f"the board cannot have an array of {array[0]}x{array[1]}: {reason}")


def _widened(config: AcceleratorConfig, needed: Widths) -> AcceleratorConfig:
    """The standard widths, or those that are needed.

    Where the multiplier is wider than the standard one, the accumulator's spare bits make room for
    it, as long as an entry of the parameter memory stays within its units.
    """
    multiplier = max(config.multiplier_bits, needed.multiplier)
    room = 32 * config.parameter_units - SHIFT_BITS - TIE_BITS - multiplier
    accumulator = max(needed.accumulator, min(config.accumulator_bits, room), 20)
    chain = min(max(config.chain_bits, needed.chain), accumulator)
    return replace(
        config,
        accumulator_bits=accumulator,
        chain_bits=chain,
        multiplier_bits=multiplier,
    )


def _divisions(
    graph: Graph, board: Board, config: AcceleratorConfig
) -> Iterator[AcceleratorConfig]:
    """Ways to divide the blocks, best first: the standard one if the weights stay in their memory;
    then as much for them as they need; then a small ring, all else for the scratchpad."""
    ample = replace(config, scratch_bytes=_MAX_SCRATCH, weight_depth=1 << 16)
    plan = make_plan(graph, ample)
    resident = plan.weights.source == Source.RESIDENT
    needed = plan.activation_bytes + ample.scratch_bytes - plan.constants.start
    bank = _scratch(_bank_blocks(config), _array(config))
    if resident and plan.weights.rows <= config.weight_depth and needed <= config.scratch_bytes:
        yield config
    if resident:
        depth = round_up(max(plan.weights.rows, 1), _ROW_STEP)
        for size in (round_up(needed, bank), round_up(needed, bank) + bank):
            if size > _MAX_SCRATCH:
                break
            yield replace(config, scratch_bytes=size, weight_depth=min(depth, 1 << 16))
    yield config
    largest = max([1, *(step.weight_words for step in plan.steps)])
    ring = replace(config, weight_depth=round_up(min(2 * largest, 1 << 15), _ROW_STEP))
    rest = _free(board, replace(ring, scratch_bytes=bank)) - weight_blocks(_KIND, ring)
    if rest >= 0:
        blocks_left = rest + _bank_blocks(config)
        yield replace(ring, scratch_bytes=_scratch(blocks_left, _array(config)))


def _bank_blocks(config: AcceleratorConfig) -> int:
    """Blocks of the smallest scratchpad."""
    return 2 * blocks(_KIND, _ROW_STEP, config.word_bytes)


def _array(config: AcceleratorConfig) -> tuple[int, int]:
    return config.output_channels, config.input_channels
