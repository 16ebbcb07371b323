# SPDX-License-Identifier: BSD-2-Clause
"""What a kernel sees of the graph, and what follows every array operation's own result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.add import add_operands
from celosia.arithmetic.fixed_point import clamp_range
from celosia.errors import ModelError
from celosia.graph.ir import (
    Activation,
    Array,
    ArrayOp,
    DType,
    Graph,
    Op,
    Quantization,
    ResidualAdd,
    Table,
    Tensor,
    TensorId,
    result_quantization,
)

#: A kernel computes an operation's output. It takes the operation (of its own type) and the node.
Kernel: TypeAlias = Callable[[Any, "Node"], Array]


@dataclass(frozen=True)
class Node:
    """An operation in its graph, with the arrays computed so far."""

    graph: Graph
    op: Op
    values: Mapping[TensorId, Array]

    def input(self, position: int = 0) -> Array:
        return self.values[self.op.inputs[position]]

    def tensor(self, position: int = 0) -> Tensor:
        """The tensor of an input."""
        return self.graph.tensors[self.op.inputs[position]]

    def input_quantization(self, position: int = 0) -> Quantization:
        return _required(self.tensor(position).quantization, self.tensor(position))

    @property
    def output(self) -> Tensor:
        return self.graph.tensors[self.op.output]

    @property
    def output_quantization(self) -> Quantization:
        return _required(self.output.quantization, self.output)

    @property
    def result_quantization(self) -> Quantization:
        """Of the operation's own result, which an epilogue may change."""
        return _required(result_quantization(self.graph, self.op), self.output)

    def clamp(self, activation: Activation = Activation.NONE) -> tuple[int, int]:
        """The range of the operation's own int8 result: activation and what passes narrowed."""
        low, high = clamp_range(activation, self.result_quantization)
        narrowed = self.op.clamp if isinstance(self.op, ArrayOp) else (low, high)
        return max(low, narrowed[0]), min(high, narrowed[1])

    def finish(self, result: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        """The operation's own int8 result after its epilogue, in the output's shape."""
        result = result.reshape(self.output.shape)
        epilogue = self.op.epilogue if isinstance(self.op, ArrayOp) else None
        match epilogue:
            case Table(values=values):
                return look_up(values, result)
            case ResidualAdd():
                return self._add(result, epilogue)
        return result

    def _add(self, result: npt.NDArray[np.int8], epilogue: ResidualAdd) -> npt.NDArray[np.int8]:
        tensor = self.graph.tensors[epilogue.other]
        other = self.values[epilogue.other].astype(np.int8, copy=False)
        pairs = [(epilogue.inner, result), (_required(tensor.quantization, tensor), other)]
        if not epilogue.result_first:
            pairs.reverse()
        (first, a), (second, b) = pairs
        return add_operands(first, second, self.output_quantization, epilogue.activation)(a, b)


def look_up(values: tuple[int, ...], x: Array) -> npt.NDArray[np.int8]:
    """``values[x + 128]`` for int8 x."""
    return np.array(values, dtype=np.int8)[x.astype(np.intp) + 128]


def is_int8(tensor: Tensor) -> bool:
    return tensor.dtype is DType.INT8


def _required(quantization: Quantization | None, tensor: Tensor) -> Quantization:
    if quantization is None:
        raise ModelError(
            f"tensor {tensor.name!r} has no quantization; quantize the whole model to int8"
        )
    return quantization
