# SPDX-License-Identifier: BSD-2-Clause
"""Replace an operand of ADD that always has the same values by a constant.

What computed the operand is then unused. Other operations absorb constants channel by channel
when dead channels are removed.
"""

from __future__ import annotations

import numpy as np

from celosia.graph.ir import Add, Graph, Tensor
from celosia.passes.ranges import tensor_ranges
from celosia.passes.rewrite import copied, is_constant


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph in which an operand whose channels are all constant is a constant tensor of
    shape (channels,), the second operand of its Add."""
    result = copied(graph)
    ranges = tensor_ranges(result)
    changed = False
    for op in result.ops:
        if not isinstance(op, Add) or any(is_constant(result, key) for key in op.inputs):
            continue
        folded = next((key for key in op.inputs if ranges[key].constant.all()), None)
        if folded is None or op.inputs[0] == op.inputs[1]:
            continue
        tensor = result.tensors[folded]
        values = ranges[folded].low.astype(np.int8)
        constant = max(result.tensors) + 1
        result.tensors[constant] = Tensor(
            f"{tensor.name} (constant)", values.shape, tensor.dtype, tensor.quantization, values
        )
        # ADD gives the same result in either order of its operands.
        varying = op.inputs[0] if folded == op.inputs[1] else op.inputs[1]
        op.inputs = [varying, constant]
        changed = True
    return result, changed
