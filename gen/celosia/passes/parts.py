# SPDX-License-Identifier: BSD-2-Clause
"""An operation as the sum of several that have a part of its range each.

Every part computes the same, but clamps to its part of the levels; ADDs put them together::

    clamp(x, low, high) = clamp(x, cut, high) + clamp(x, low, cut) - cut

They add numbers of one scale, which is exact, and count from the zero point, at which the first cut
is made if it lies within the range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from celosia.graph.ir import Activation, Add, Graph, Lookup, Op, Quantization, TensorId
from celosia.passes.accumulators import WeightedOp
from celosia.passes.rewrite import result_clamp

PartOp: TypeAlias = Add | WeightedOp


def in_parts(
    graph: Graph, op: PartOp, own: Quantization, possible: Callable[[PartOp], bool]
) -> list[Op]:
    """Operations that compute the result of ``op`` before its epilogue, all parts ``possible``.

    Their results become new tensors of ``graph``; the last one computes ``op.output``, and has the
    quantization ``own`` of the result. A part of two levels is taken as it is.
    """

    def tensor(part: str) -> TensorId:
        total = graph.tensors[op.output]
        number = max(graph.tensors) + 1
        graph.tensors[number] = replace(total, name=f"{total.name} ({part})", quantization=own)
        return number

    def moved(source: TensorId, distance: int) -> Lookup:
        values = np.clip(np.arange(-128, 128) + distance, -128, 127)
        output = tensor(f"from {own.zero_point}")
        return Lookup(op.index, [source], output, values=tuple(values.tolist()))

    def parts(clamp: tuple[int, int], output: TensorId) -> list[Op]:
        whole = replace(op, output=output, activation=Activation.NONE, clamp=clamp, epilogue=None)
        low, high = clamp
        if high - low <= 1 or possible(whole):
            return [whole]
        zero = own.zero_point
        cut = zero if low < zero < high else (low + high) // 2
        above, below = tensor(f"from {cut} on"), tensor(f"up to {cut}")
        ops = [*parts((cut, high), above), *parts((low, cut), below)]
        if cut > zero:
            ops.append(shifted := moved(above, zero - cut))
            above = shifted.output
        elif cut < zero:
            ops.append(shifted := moved(below, zero - cut))
            below = shifted.output
        total = Add(op.index, [above, below], output, activation=Activation.NONE, clamp=clamp)
        return [*ops, total]

    return parts(result_clamp(graph, op), op.output)
