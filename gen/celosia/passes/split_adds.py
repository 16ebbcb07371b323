# SPDX-License-Identifier: BSD-2-Clause
"""Split an ADD that no tables of the second pass give into ADDs that they do.

The reference rounds halves away from the output's zero point, after roundings of its own. Where
the scales are ratios of small integers many sums are such halves, and tables that are right for
those above the zero point can be wrong below. Then two ADDs compute the sum for one side each,
clamped at the zero point, and a third one adds both::

    clamp(x, low, high) = clamp(x, zero, high) + clamp(x, low, zero) - zero

This adds numbers of one scale, which is exact. Were there no tables for a side, it would be divided
once more; there always are for two levels, where all that counts is on which side of one bound the
sum of the scaled operands lies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from celosia.arithmetic.add_tables import add_tables
from celosia.graph.ir import Activation, Add, Graph, Lookup, Op, Quantization, TensorId
from celosia.passes.rewrite import copied, result_clamp


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph in which there are tables for each Add."""
    result = copied(graph)
    ops: list[Op] = []
    for op in result.ops:
        ops += _split(result, op) if isinstance(op, Add) else [op]
    changed = len(ops) > len(result.ops)
    result.ops = ops
    return result, changed


def _split(graph: Graph, add: Add) -> list[Op]:
    """Operations that together compute what ``add`` does; makes tensors for their results."""
    first, second, output = (graph.tensors[t].quantization for t in (*add.inputs, add.output))
    if first is None or second is None or output is None:
        return [add]
    return _Parts(graph, add, (first, second, output)).sum(result_clamp(graph, add), add.output)


@dataclass(frozen=True)
class _Parts:
    """Makes the operations for parts of ``add``'s range."""

    graph: Graph
    add: Add
    quantizations: tuple[Quantization, Quantization, Quantization]

    def sum(self, clamp: tuple[int, int], output: TensorId) -> list[Op]:
        """Operations that compute the sum, clamped, into ``output``."""
        whole = replace(self.add, output=output, activation=Activation.NONE, clamp=clamp)
        if add_tables(*self.quantizations, clamp) is not None:
            return [whole]
        low, high = clamp
        zero = self.quantizations[2].zero_point
        cut = zero if low < zero < high else (low + high) // 2
        above, below = (self._tensor(f"from {cut} on"), self._tensor(f"up to {cut}"))
        ops = [*self.sum((cut, high), above), *self.sum((low, cut), below)]
        # The last addition counts both from the zero point.
        if cut > zero:
            ops.append(moved := self._moved(above, zero - cut))
            above = moved.output
        elif cut < zero:
            ops.append(moved := self._moved(below, zero - cut))
            below = moved.output
        return [*ops, replace(whole, inputs=[above, below])]

    def _moved(self, tensor: TensorId, distance: int) -> Lookup:
        """Adds ``distance`` to each element."""
        values = np.clip(np.arange(-128, 128) + distance, -128, 127)
        name = f"from {self.quantizations[2].zero_point}"
        return Lookup(self.add.index, [tensor], self._tensor(name), values=tuple(values.tolist()))

    def _tensor(self, part: str) -> TensorId:
        """A new tensor like the whole sum's."""
        total = self.graph.tensors[self.add.output]
        number = max(self.graph.tensors) + 1
        self.graph.tensors[number] = replace(total, name=f"{total.name} ({part})")
        return number
