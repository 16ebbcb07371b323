# SPDX-License-Identifier: BSD-2-Clause
"""The program model refuses programs that break the architecture's rules.

A compiler defect must not hide behind a lenient model: each test spoils one thing of a good
program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image
from celosia.graph.ir import Graph
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import INSTRUCTION_BYTES, Opcode, decode, encode
from celosia_sim.program_model import ProgramError, ProgramModel, first_difference
from celosia_sim.random_models import random_inputs


@pytest.fixture
def graph(network: Any, load: Callable[[bytes], Graph]) -> Graph:
    x = network.input(1, 6, 6, 5)
    a = network.conv(x, 9, (3, 3))
    b = network.depthwise(a)
    total = network.builder.add(network.conv(b, 9), a, network.builder.quantization(a))
    loaded: Graph = network.load(load, total)
    return loaded


@pytest.fixture
def image(graph: Graph, config: Callable[..., AcceleratorConfig]) -> Image:
    return compile_graph(graph, config(weight_depth=48, parameter_depth=16, requantize_lanes=1))


def spoil(image: Image, opcode: Opcode, change: Callable[[dict[str, int]], None]) -> Image:
    """The image with the fields of its last instruction of that kind changed."""
    section = image.sections[0]
    code = bytearray(section.data)
    for number in reversed(range(len(image.instructions))):
        at = image.entry - section.address + number * INSTRUCTION_BYTES
        found, fields = decode(bytes(code[at : at + INSTRUCTION_BYTES]))
        if found == opcode:
            change(fields)
            code[at : at + INSTRUCTION_BYTES] = encode(opcode, fields)
            sections = (replace(section, data=bytes(code)), *image.sections[1:])
            return replace(image, sections=sections)
    raise AssertionError(f"no {opcode.name} in the program")


def test_unspoilt(graph: Graph, image: Image) -> None:
    assert first_difference(image, graph, random_inputs(graph, 0)) is None
    assert image.usage["weight_source"] == image.usage["parameter_source"] == 1


@pytest.mark.parametrize(
    ("opcode", "field", "value", "message"),
    [
        (Opcode.CONV, "weight_base", 3, "weights: the instruction expects its rows from 3 on"),
        (Opcode.CHAIN, "parameter_base", 1, "parameters: the instruction expects its rows from 1"),
        (Opcode.CONV, "weights_ring", 0, "disagree about the ring"),
        (Opcode.CONV, "weight_words", 60, "60 words for"),
        (Opcode.CHAIN, "out_base", 0x1FFFE, "beyond the scratchpad"),
        (Opcode.CONV, "out_line", 13, "out_line of a residual is no multiple of 4"),
        (Opcode.CONV, "table_base", 6, "not aligned to words"),
        (Opcode.CONV, "residual", 0, "without a residual has a table for it"),
        (Opcode.CONV, "groups", 200, "rows early|beyond the scratchpad"),
        (Opcode.SETUP, "weight_source", 0, "disagree about the ring"),
        (Opcode.SETUP, "parameter_source", 2, "parameters cannot come from the external port"),
    ],
)
def test_broken_rules(
    graph: Graph, image: Image, opcode: Opcode, field: str, value: int, message: str
) -> None:
    broken = spoil(image, opcode, lambda fields: fields.update({field: value}))
    with pytest.raises(ProgramError, match=message):
        first_difference(broken, graph, random_inputs(graph, 0))


@pytest.mark.parametrize(
    ("opcode", "field"),
    [
        (Opcode.CONV, "zero_point"),
        (Opcode.CONV, "in_c"),
        (Opcode.CONV, "residual_delta"),
        (Opcode.CHAIN, "in_group"),
        (Opcode.CHAIN, "out_position"),
        (Opcode.FILL, "out_base"),
        (Opcode.FILL, "zero_point"),
    ],
)
def test_wrong_fields_show_in_the_results(
    graph: Graph, image: Image, opcode: Opcode, field: str
) -> None:
    def change(fields: dict[str, int]) -> None:
        fields[field] += 4 if field in ("residual_delta", "out_position") else 1

    broken = spoil(image, opcode, change)
    assert first_difference(broken, graph, random_inputs(graph, 0)) is not None


def test_weights_overwritten_before_use(graph: Graph, image: Image) -> None:
    """A FILL that hits the weights that are still to be loaded."""
    section = image.sections[0]

    def word(address: int) -> int:
        at = address - section.address
        return int.from_bytes(section.data[at : at + 4], "little")

    _, setup = decode(section.data[image.entry - section.address :][:INSTRUCTION_BYTES])
    first, units = word(setup["weight_list"]), word(setup["weight_list"] + 4)

    def change(fields: dict[str, int]) -> None:
        fields.update(out_base=first + 4 * units - 8, lines=1, positions=8, zero_point=85)

    broken = spoil(image, Opcode.FILL, change)
    sample = random_inputs(graph, 0)[graph.inputs[0]]
    with pytest.raises(ProgramError, match="overwritten after SETUP"):
        ProgramModel(broken).outputs([sample])


def test_accumulators_that_need_more_bits(
    graph: Graph, config: Callable[..., AcceleratorConfig]
) -> None:
    """A bias near the limit of a narrow accumulator."""
    image = compile_graph(graph, config(accumulator_bits=20, chain_bits=18, multiplier_bits=32))
    section = next(s for s in image.sections if s.space == 2)
    data = bytearray(section.data)
    # The bias of the first entry is its lowest 20 bits.
    data[0:2] = b"\xff\xff"
    data[2] = data[2] & 0xF0 | 0x7
    sections = tuple(replace(s, data=bytes(data)) if s is section else s for s in image.sections)
    with pytest.raises(ProgramError, match="do not fit into 20 bits"):
        first_difference(replace(image, sections=sections), graph, random_inputs(graph, 0))


def test_wrong_number_and_shape_of_inputs(graph: Graph, image: Image) -> None:
    with pytest.raises(ProgramError, match="0 inputs for 1"):
        ProgramModel(image).outputs([])
    sample = random_inputs(graph, 0)[graph.inputs[0]]
    with pytest.raises(ProgramError, match="is int8"):
        ProgramModel(image).outputs([sample[:, :-1]])
