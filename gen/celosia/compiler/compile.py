# SPDX-License-Identifier: BSD-2-Clause
"""Compiles an optimized graph into an image for one accelerator configuration."""

from __future__ import annotations

from dataclasses import dataclass

from celosia.compiler import fit, lower, parameters, program, streams
from celosia.compiler.assemble import assemble
from celosia.compiler.borders import Contents, fill_steps
from celosia.compiler.context import Context
from celosia.compiler.cycles import array_lanes
from celosia.compiler.host import Division, divide
from celosia.compiler.image import Image
from celosia.compiler.memory import plan
from celosia.compiler.places import place_tensors
from celosia.compiler.step import Limits, Step
from celosia.compiler.streams import Stream
from celosia.graph.ir import Graph, operands
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Source

#: The limits that the fields of an instruction set.
FIELD_LIMITS = Limits()


@dataclass(frozen=True)
class Plan:
    """Everything decided: ``steps`` in order, FILLs included, and ``bases`` of all storages."""

    context: Context
    division: Division
    steps: list[Step]
    bases: dict[int, int]
    activation_bytes: int
    constants: program.Constants
    weights: Stream
    parameters: Stream


def compile_graph(
    graph: Graph,
    config: AcceleratorConfig,
    *,
    external_rate: float = 0.5,
    limits: Limits = FIELD_LIMITS,
) -> Image:
    """The image of an optimized graph.

    Args:
        graph: as the passes leave it.
        config: the accelerator.
        external_rate: what the external port delivers, in bytes a cycle; it matters to the
            predicted cycles alone.
        limits: largest counts of an instruction; for tests.

    Raises:
        FitError: the graph does not fit; the message says what is short.
        ModelError: the graph has something that cannot be compiled.
    """
    return assemble(make_plan(graph, config, limits), external_rate)


def make_plan(graph: Graph, config: AcceleratorConfig, limits: Limits = FIELD_LIMITS) -> Plan:
    """All decisions of the compiler; exceptions as for ``compile_graph``."""
    division = divide(graph)
    ops = division.graph.ops
    fit.check_tensors(division.graph)
    placement = place_tensors(division.graph, ops, config, limits)
    context = Context(division.graph, config, placement, limits)
    steps = [step for number, op in enumerate(ops) for step in lower.lower(context, op, number)]
    fit.check_weights(context, steps)

    parameter_stream = _parameter_stream(context, steps)
    borders = sum(
        len(fill_steps(place.address, region, place.border_value, limits))
        for place in placement.places.values()
        if place.border_value is not None
        for region in place.layout.border_regions
    )
    count = len(steps) + borders + 2
    variable = [s for s in placement.storages if s.contents is None]
    for weight_stream in _weight_streams(context, steps):
        arranged = program.arrange(
            steps, placement.storages, weight_stream, parameter_stream, config, count
        )
        memory = plan(variable, arranged.start)
        if memory.peak <= arranged.start:
            break
    else:
        raise fit.too_little_memory(context, memory, arranged, weight_stream, parameter_stream)
    bases = {**memory.bases, **arranged.tensors}
    ordered = _with_borders(context, steps, bases)
    constants = program.arrange(
        ordered,
        placement.storages,
        weight_stream,
        parameter_stream,
        config,
        len(ordered) + 2,
    )
    assert constants.start >= arranged.start
    return Plan(
        context,
        division,
        ordered,
        {**memory.bases, **constants.tensors},
        memory.peak,
        constants,
        weight_stream,
        parameter_stream,
    )


def _parameter_stream(context: Context, steps: list[Step]) -> Stream:
    config = context.config
    ops = context.graph.ops
    users = [
        (s.key, parameters.pack(s, config, context.describe(ops[s.op])))
        for s in steps
        if s.parameters is not None
    ]
    row = 4 * config.parameter_chunks
    resident = streams.resident_rows(users, row) <= config.parameter_depth
    source = Source.RESIDENT if resident else Source.SCRATCH
    return streams.build(users, source, row, config.parameter_depth)


def _weight_streams(context: Context, steps: list[Step]) -> list[Stream]:
    """Where the weights could be, best first."""
    config = context.config
    users = [(s.key, s.weights.tobytes()) for s in steps if s.weights is not None]
    word = 4 * config.weight_chunks
    sources = [Source.SCRATCH, Source.EXTERNAL]
    if streams.resident_rows(users, word) <= config.weight_depth:
        sources = [Source.RESIDENT]
    return [streams.build(users, source, word, config.weight_depth) for source in sources]


def _with_borders(context: Context, steps: list[Step], bases: dict[int, int]) -> list[Step]:
    """The steps with FILLs where a border is needed that the memory does not hold already."""
    contents = Contents(context.config.scratch_bytes)
    ordered: list[Step] = []
    filled = set()
    for step in steps:
        op = context.graph.ops[step.op]
        for tensor in (op.output, *operands(op)):
            place = context.placement.places.get(tensor)
            if place is None or place.border_value is None or tensor in filled:
                continue
            filled.add(tensor)
            made = contents.border(
                bases[place.storage],
                place.address,
                place.layout.border_regions,
                place.border_value,
                context.limits,
            )
            for fill in made:
                fill.op = step.op
            ordered += made
        contents.written(step, bases[step.output.storage], array_lanes(step, context.config))
        ordered.append(step)
    return ordered
