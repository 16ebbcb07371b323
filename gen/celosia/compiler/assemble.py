# SPDX-License-Identifier: BSD-2-Clause
"""Turns a plan into an image: instructions, memory contents, descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celosia.compiler import program
from celosia.compiler.host import host_op
from celosia.compiler.image import (
    EXTERNAL_BYTES,
    Image,
    ImageSpace,
    InstructionInfo,
    LayerInfo,
    Section,
    TensorPort,
    padded_rows,
)
from celosia.compiler.storage import Place
from celosia.compiler.timing import predict
from celosia.compiler.work import macs
from celosia.errors import FitError, ModelError
from celosia.graph.ir import Graph, TensorId
from celosia_hw.isa import Opcode, Source, encode

if TYPE_CHECKING:
    from celosia.compiler.compile import Plan


def assemble(plan: Plan, external_rate: float) -> Image:
    """The image of ``plan``; ``external_rate`` (bytes a cycle) enters the prediction alone."""
    context, constants = plan.context, plan.constants
    graph, config = context.graph, context.config
    cycles = predict(plan.steps, plan.bases, plan.weights, plan.parameters, config, external_rate)
    code = program.encode_setup(constants, plan.weights, plan.parameters)
    infos = [InstructionInfo(Opcode.SETUP.name, -1, cycles[0])]
    for step, predicted in zip(plan.steps, cycles[1:], strict=True):
        code += program.encode_step(step, plan.bases, constants, plan.weights, plan.parameters)
        infos.append(InstructionInfo(step.opcode.name, step.op, predicted))
    code += encode(Opcode.END, {})
    infos.append(InstructionInfo(Opcode.END.name, -1, 0))
    infos, layers = _layers(plan, infos)

    def port(tensor: TensorId) -> TensorPort:
        return _port(graph, tensor, context.place(tensor), plan.bases)

    return Image(
        model=graph.name,
        config=config,
        entry=constants.program,
        profile_base=constants.profile,
        sections=_sections(plan, code),
        inputs=tuple(port(t) for t in graph.inputs),
        outputs=tuple(port(t) for t in graph.outputs),
        instructions=tuple(infos),
        layers=layers,
        host=tuple(host_op(graph, op) for op in plan.division.host),
        graph_inputs=_host_names(graph, plan.division.inputs),
        graph_outputs=_host_names(graph, plan.division.outputs),
        usage={
            "scratch_bytes": config.scratch_bytes - constants.start + plan.activation_bytes,
            "activation_bytes": plan.activation_bytes,
            "weight_bytes": len(plan.weights.data),
            "weight_words": plan.weights.rows,
            "parameter_rows": plan.parameters.rows,
            "weight_source": int(plan.weights.source),
            "parameter_source": int(plan.parameters.source),
        },
        external_rate=external_rate,
    )


def _host_names(graph: Graph, tensors: tuple[TensorId, ...]) -> tuple[str, ...]:
    return tuple(graph.tensors[t].name for t in tensors)


def _layers(
    plan: Plan, infos: list[InstructionInfo]
) -> tuple[list[InstructionInfo], tuple[LayerInfo, ...]]:
    """Operations that have instructions, and instructions that name them by their number."""
    graph = plan.context.graph
    spans: dict[int, list[int]] = {}
    for number, info in enumerate(infos):
        if info.layer >= 0:
            spans.setdefault(info.layer, []).append(number)
    layers = []
    for number, (op_number, mine) in enumerate(sorted(spans.items())):
        op = graph.ops[op_number]
        layers.append(
            LayerInfo(
                graph.tensors[op.output].name,
                op.kind,
                op.index,
                macs(graph, op),
                sum(infos[i].cycles for i in mine),
                mine[0],
                mine[-1],
                _port(graph, op.output, plan.context.place(op.output), plan.bases),
            )
        )
        for i in mine:
            infos[i] = InstructionInfo(infos[i].opcode, number, infos[i].cycles)
    return infos, tuple(layers)


def _sections(plan: Plan, code: bytes) -> tuple[Section, ...]:
    config = plan.context.config
    weights, parameters = plan.weights, plan.parameters
    storages = plan.context.placement.storages
    scratch = program.scratch_bytes(plan.constants, code, storages, weights, parameters)
    sections = [Section(ImageSpace.SCRATCH, plan.constants.start, scratch)]
    if weights.data and weights.source == Source.RESIDENT:
        data = padded_rows(weights.data, 4 * config.weight_chunks, config.weight_stride)
        sections.append(Section(ImageSpace.WEIGHTS, 0, data))
    if weights.data and weights.source == Source.EXTERNAL:
        if len(weights.data) > EXTERNAL_BYTES:
            raise FitError(
                f"{plan.context.graph.name}: {len(weights.data):,} bytes of weights are more than "
                f"the {EXTERNAL_BYTES:,} that can be streamed; use a smaller model"
            )
        sections.append(Section(ImageSpace.EXTERNAL, 0, weights.data))
    if parameters.data and parameters.source == Source.RESIDENT:
        data = padded_rows(parameters.data, 4 * config.parameter_chunks, config.parameter_stride)
        sections.append(Section(ImageSpace.PARAMETERS, 0, data))
    return tuple(sections)


def _port(graph: Graph, tensor: TensorId, place: Place, bases: dict[int, int]) -> TensorPort:
    info = graph.tensors[tensor]
    if info.quantization is None:
        raise ModelError(f"{graph.name}: tensor {info.name!r} is not quantized")
    return TensorPort(
        info.name,
        tensor,
        info.dtype.value,
        info.shape,
        bases[place.storage] + place.offset,
        strides(info.shape, place),
        info.quantization.scale,
        info.quantization.zero_point,
    )


def strides(shape: tuple[int, ...], place: Place) -> tuple[int, ...]:
    """Distance of neighbours along each axis of a tensor, in bytes.

    A tensor of another rank than an image's has its leading axes in the width; one that is a view
    of an image whose elements it takes in a row has no constant strides unless that is compact.
    """
    layout = place.layout
    if len(shape) == 4 and shape[0] == 1:
        image = (layout.stride_h, layout.stride_w, 1)
        return (layout.height * layout.stride_h, *image)
    if not shape:
        return ()
    if layout.height == 1 and layout.channels == shape[-1]:
        found = [1]
        step = layout.stride_w
    else:
        found = [1]
        step = shape[-1]
    for size in reversed(shape[1:-1] if len(shape) > 1 else ()):
        found.insert(0, step)
        step *= size
    if len(shape) > 1:
        found.insert(0, step)
    return tuple(found)
