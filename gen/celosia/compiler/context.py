# SPDX-License-Identifier: BSD-2-Clause
"""What lowering an operation needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from celosia.compiler.step import Limits
from celosia.compiler.storage import Place, Placement
from celosia.errors import ModelError
from celosia.graph.ir import (
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Op,
    Quantization,
    TensorId,
    result_quantization,
)
from celosia.passes.accumulators import Interval
from celosia.passes.ranges import Ranges, accumulator_bounds, tensor_ranges
from celosia_hw.config import AcceleratorConfig


@dataclass(frozen=True)
class Context:
    """A graph whose tensors have places, for one configuration."""

    graph: Graph
    config: AcceleratorConfig
    placement: Placement
    limits: Limits = field(default_factory=Limits)

    @cached_property
    def _ranges(self) -> Ranges:
        return tensor_ranges(self.graph)

    def accumulators(self, op: Conv2D | DepthwiseConv2D | FullyConnected) -> Interval:
        """All accumulators of each output channel, bias included."""
        return accumulator_bounds(self.graph, op, self._ranges)

    def place(self, tensor: TensorId) -> Place:
        return self.placement.places[tensor]

    def quantization(self, tensor: TensorId) -> Quantization:
        quantization = self.graph.tensors[tensor].quantization
        if quantization is None:
            raise ModelError(f"tensor {self.graph.tensors[tensor].name!r} is not quantized")
        return quantization

    def result_quantization(self, op: Op) -> Quantization:
        """Of the operation's own result, before its epilogue."""
        found = result_quantization(self.graph, op)
        if found is None:
            raise ModelError(f"{self.describe(op)}: its result is not quantized")
        return found

    def describe(self, op: Op) -> str:
        """How messages name an operation."""
        return describe(self.graph, op)


def describe(graph: Graph, op: Op) -> str:
    """How messages name an operation."""
    return f"{graph.name}: operator {op.index} ({op.kind}, {graph.tensors[op.output].name!r})"
