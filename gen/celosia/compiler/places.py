# SPDX-License-Identifier: BSD-2-Clause
"""Decides where tensors share storages, and how each is laid out."""

from __future__ import annotations

from celosia.compiler.layout import Layout, image_shape
from celosia.compiler.storage import Place, Placement
from celosia.graph.ir import Conv2D, DepthwiseConv2D, Graph, Op, Padding, TensorId, operands
from celosia_hw.config import AcceleratorConfig


def place_tensors(graph: Graph, ops: list[Op], config: AcceleratorConfig) -> Placement:
    """A storage and a layout for every tensor that ``ops`` compute or read."""
    placement = Placement()
    word = config.word_bytes
    used = dict.fromkeys(graph.inputs)
    for op in ops:
        used.update(dict.fromkeys([*operands(op), op.output]))
    for tensor in used:
        if graph.tensors[tensor].data is not None:
            continue
        shape = image_shape(graph.tensors[tensor].shape)
        border = _border(ops, tensor)
        pixel = shape[2] if shape[2] < 4 else -(-shape[2] // 4) * 4
        layout = Layout.arrange(shape, pixel=pixel, border=border, line_multiple=4)
        writes = [i for i, op in enumerate(ops) if op.output == tensor]
        reads = [i for i, op in enumerate(ops) if tensor in operands(op)]
        first = -1 if tensor in graph.inputs else writes[0]
        last = len(ops) if tensor in graph.outputs else max([*reads, first])
        storage = placement.add(graph.tensors[tensor].name, layout.size, first, last, 2 * word)
        storage.phase = -layout.before % (2 * word)
        quantization = graph.tensors[tensor].quantization
        value = quantization.zero_point if quantization and layout.border_regions else None
        placement.places[tensor] = Place(storage.number, layout.before, layout, value)
    return placement


def _border(ops: list[Op], tensor: TensorId) -> Padding:
    needed = [
        op.padding
        for op in ops
        if isinstance(op, Conv2D | DepthwiseConv2D) and op.inputs[0] == tensor
    ]
    return Padding(
        *(
            max((getattr(p, side) for p in needed), default=0)
            for side in ("top", "bottom", "left", "right")
        )
    )
