# SPDX-License-Identifier: BSD-2-Clause
"""Compiles an optimized graph into an image for one accelerator configuration."""

from __future__ import annotations

from celosia.compiler import cycles, lower, parameters, program, streams
from celosia.compiler.borders import Contents
from celosia.compiler.context import Context
from celosia.compiler.image import (
    Image,
    ImageSpace,
    InstructionInfo,
    LayerInfo,
    Section,
    TensorPort,
)
from celosia.compiler.layout import Layout
from celosia.compiler.memory import plan
from celosia.compiler.places import place_tensors
from celosia.compiler.step import Step
from celosia.errors import FitError
from celosia.graph.ir import Graph, TensorId
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode, Source, encode


def compile_graph(graph: Graph, config: AcceleratorConfig, *, external_rate: float = 0.5) -> Image:
    """The image of ``graph`` for ``config``.

    ``external_rate`` is what the external port delivers, in bytes a cycle; it matters to the
    predicted cycles alone.

    Raises:
        FitError: the graph does not fit; the message says what is short.
        ModelError: the graph has something that cannot be compiled.
    """
    ops = list(graph.ops)
    placement = place_tensors(graph, ops, config)
    context = Context(graph, config, placement)
    steps: list[Step] = []
    for number, op in enumerate(ops):
        steps += lower.lower(context, op, number)

    weight_users = [(s.key, s.weights.tobytes()) for s in steps if s.weights is not None]
    parameter_users = [
        (s.key, parameters.pack(s, config, context.describe(ops[s.op]))) for s in steps
    ]
    word, row = 4 * config.weight_chunks, 4 * config.parameter_units * config.requantize_lanes
    resident = streams.resident_rows(parameter_users, row) <= config.parameter_depth
    parameter_stream = streams.build(
        parameter_users,
        Source.RESIDENT if resident else Source.SCRATCH,
        row,
        config.parameter_depth,
    )
    borders = sum(
        len(place.layout.border_regions)
        for place in placement.places.values()
        if place.border_value is not None
    )
    count = len(steps) + borders + 2
    sources = [Source.SCRATCH, Source.EXTERNAL]
    if streams.resident_rows(weight_users, word) <= config.weight_depth:
        sources = [Source.RESIDENT]
    memory = None
    for source in sources:
        weight_stream = streams.build(weight_users, source, word, config.weight_depth)
        constants = program.arrange(steps, weight_stream, parameter_stream, config, count)
        memory = plan(placement.storages, constants.start)
        if memory.peak <= constants.start:
            break
    assert memory is not None
    if memory.peak > constants.start:
        raise FitError("does not fit")

    contents = Contents(config.scratch_bytes)
    ordered: list[Step] = []
    filled = set()
    for step in steps:
        op = ops[step.op]
        for tensor in [*op.inputs, op.output]:
            place = placement.places.get(tensor)
            if place is None or place.border_value is None or tensor in filled:
                continue
            filled.add(tensor)
            base = memory.bases[place.storage]
            for region in place.layout.border_regions:
                ordered += contents.fill(
                    base, region, place.border_value, place.storage, place.offset, context.limits
                )
        place = placement.places[op.output]
        start = memory.bases[place.storage] + place.offset
        layout = place.layout
        for h in range(layout.height):
            for w in range(layout.width):
                at = start + layout.offset(h, w)
                contents.forget(at, at + layout.channels)
        ordered.append(step)

    constants = program.arrange(ordered, weight_stream, parameter_stream, config, len(ordered) + 2)
    code = program.encode_setup(constants, weight_stream, parameter_stream)
    infos = [InstructionInfo("SETUP", -1, cycles.OVERHEAD[Opcode.SETUP])]
    for step in ordered:
        code += program.encode_step(step, memory.bases, constants, weight_stream, parameter_stream)
        infos.append(InstructionInfo(step.opcode.name, step.op, cycles.step_cycles(step, config)))
    code += encode(Opcode.END, {})
    infos.append(InstructionInfo("END", -1, 0))
    sections = [
        Section(
            ImageSpace.SCRATCH,
            constants.start,
            _aligned(program.scratch_bytes(constants, code, weight_stream, parameter_stream)),
        )
    ]
    if weight_stream.source == Source.RESIDENT and weight_stream.data:
        sections.append(Section(ImageSpace.WEIGHTS, 0, weight_stream.data))
    if weight_stream.source == Source.EXTERNAL:
        sections.append(Section(ImageSpace.EXTERNAL, 0, weight_stream.data))
    if parameter_stream.source == Source.RESIDENT and parameter_stream.data:
        sections.append(Section(ImageSpace.PARAMETERS, 0, parameter_stream.data))

    def port(tensor: TensorId) -> TensorPort:
        place = placement.places[tensor]
        return _port(graph, tensor, memory.bases[place.storage] + place.offset, place.layout)

    layers = []
    for number, op in enumerate(ops):
        mine = [i for i, info in enumerate(infos) if info.layer == number]
        if not mine:
            continue
        layers.append(
            LayerInfo(
                graph.tensors[op.output].name,
                op.kind,
                op.index,
                0,
                sum(infos[i].cycles for i in mine),
                mine[0],
                mine[-1],
                port(op.output),
            )
        )
    return Image(
        model=graph.name,
        config=config,
        entry=constants.program,
        profile_base=constants.profile,
        sections=tuple(sections),
        inputs=tuple(port(t) for t in graph.inputs),
        outputs=tuple(port(t) for t in graph.outputs),
        instructions=tuple(infos),
        layers=tuple(layers),
        graph_inputs=tuple(graph.tensors[t].name for t in graph.inputs),
        graph_outputs=tuple(graph.tensors[t].name for t in graph.outputs),
        external_rate=external_rate,
    )


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _port(graph: Graph, tensor: TensorId, address: int, layout: Layout) -> TensorPort:
    info = graph.tensors[tensor]
    strides = (layout.stride_h, layout.stride_w, 1)
    if len(info.shape) == 4:
        strides = (layout.size, *strides)
    else:
        strides = strides[-len(info.shape) :]
    assert info.quantization is not None
    return TensorPort(
        info.name,
        tensor,
        info.dtype.value,
        info.shape,
        address,
        strides,
        info.quantization.scale,
        info.quantization.zero_point,
    )
