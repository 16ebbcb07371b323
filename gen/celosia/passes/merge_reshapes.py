# SPDX-License-Identifier: BSD-2-Clause
"""Let a chain of reshapes be one, and move one-input functions in front of reshapes.

In front of a reshape a function can become the epilogue of the operation before.
"""

from __future__ import annotations

from celosia.graph.ir import Elementwise, Graph, Lookup, Op, Reshape, ResidualAdd, Tensor
from celosia.passes.rewrite import copied, sole_consumer


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph in which no reshape reads a reshape or feeds nothing but a function.

    Reshapes that are bypassed stay as long as something else reads them.
    """
    result = copied(graph)
    changed = False
    for op in result.ops:
        if isinstance(op, Reshape) and isinstance(first := result.producer(op.inputs[0]), Reshape):
            op.inputs = list(first.inputs)
            changed = True
    for number in range(len(result.ops)):
        reshape = result.ops[number]
        if not isinstance(reshape, Reshape):
            continue
        function = sole_consumer(result, reshape.output)
        if function is None or not _movable(function) or result.producer(reshape.inputs[0]) is None:
            continue
        # The function now computes the tensor between, in the shape before the reshape.
        after = result.tensors[function.output]
        result.tensors[reshape.output] = Tensor(
            f"{after.name} (before reshape)",
            result.tensors[reshape.inputs[0]].shape,
            after.dtype,
            after.quantization,
        )
        result.ops = [op for op in result.ops if op is not function]
        result.ops.insert(number, function)
        function.inputs, reshape.inputs = reshape.inputs, [reshape.output]
        function.output, reshape.output = reshape.output, function.output
        changed = True
    return result, changed


def _movable(op: Op) -> bool:
    return isinstance(op, Elementwise | Lookup) and not isinstance(op.epilogue, ResidualAdd)
