# SPDX-License-Identifier: BSD-2-Clause
"""Widths of the arithmetic that a graph needs to be exact."""

from __future__ import annotations

from dataclasses import dataclass

from celosia.compiler import requantize
from celosia.compiler.context import Context
from celosia.compiler.fit import check_tensors
from celosia.compiler.host import divide
from celosia.compiler.layout import image_shape
from celosia.compiler.lower_pool import spans
from celosia.compiler.requantize import Requantization, signed_bits
from celosia.compiler.storage import Placement
from celosia.graph.ir import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Mean,
)
from celosia_hw.config import AcceleratorConfig


@dataclass(frozen=True)
class Widths:
    """Bits of accumulators with bias, of depthwise sums, of the requantizer's multipliers."""

    accumulator: int = 0
    chain: int = 0
    multiplier: int = 0

    def merged(self, other: Widths) -> Widths:
        return Widths(
            max(self.accumulator, other.accumulator),
            max(self.chain, other.chain),
            max(self.multiplier, other.multiplier),
        )


def required_widths(graph: Graph) -> Widths:
    """The narrowest widths with which every operation of ``graph`` is exact.

    Raises:
        ModelError: an operation can overflow the reference's own 32 bits.
        FitError: an operation needs more bits than any accelerator has.
    """
    device = divide(graph).graph
    check_tensors(device)
    widest = AcceleratorConfig(accumulator_bits=32, chain_bits=32, multiplier_bits=32)
    context = Context(device, widest, Placement())
    widths = Widths()
    for op in device.ops:
        match op:
            case Conv2D() | FullyConnected():
                widths = widths.merged(_widths(requantize.of_weighted(context, op), chain=False))
            case DepthwiseConv2D():
                found = requantize.of_weighted(context, op)
                widths = widths.merged(_widths(found, chain=op.multiplier == 1))
            case Mean():
                height, width, _ = image_shape(device.tensors[op.inputs[0]].shape)
                found = requantize.of_mean(context, op, height * width)
                widths = widths.merged(_widths(found, chain=True))
            case AveragePool2D():
                for count in _counts(device, op):
                    found = requantize.of_average(context, op, count)
                    widths = widths.merged(_widths(found, chain=True))
    return widths


def _widths(found: Requantization, *, chain: bool) -> Widths:
    bias = found.entries.bias
    return Widths(
        max(found.accumulator_bits, signed_bits(int(bias.min()), int(bias.max()))),
        found.sum_bits if chain else 0,
        found.entries.multiplier_bits,
    )


def _counts(graph: Graph, op: AveragePool2D) -> set[int]:
    """Sizes that the pool's windows have inside the image."""
    size = image_shape(graph.tensors[op.inputs[0]].shape)
    outputs = image_shape(graph.tensors[op.output].shape)
    rows = spans(size[0], outputs[0], op.window[0], op.stride[0], op.padding.top)
    columns = spans(size[1], outputs[1], op.window[1], op.stride[1], op.padding.left)
    return {r.window * c.window for r in rows for c in columns}
