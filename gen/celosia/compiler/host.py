# SPDX-License-Identifier: BSD-2-Clause
"""What the host does before and after a run: float32 on either side, and the final softmax."""

from __future__ import annotations

from dataclasses import dataclass

from celosia.compiler.context import describe
from celosia.compiler.image import HostOp, HostTensor
from celosia.errors import ModelError
from celosia.graph.ir import (
    Dequantize,
    Graph,
    Op,
    Quantize,
    Reshape,
    Softmax,
    TensorId,
    operands,
)


@dataclass(frozen=True)
class Division:
    """``graph`` has the accelerator's operations alone, ``before`` and ``after`` are the host's;
    ``inputs`` and ``outputs`` are those of the whole model."""

    graph: Graph
    inputs: tuple[TensorId, ...]
    outputs: tuple[TensorId, ...]
    before: tuple[Op, ...]
    after: tuple[Op, ...]

    @property
    def host(self) -> tuple[Op, ...]:
        return (*self.before, *self.after)


def divide(graph: Graph) -> Division:
    """Leaves to the host a QUANTIZE of an input, and SOFTMAX, DEQUANTIZE and reshapes at the end.

    Raises:
        ModelError: the accelerator would have to do one of these in the middle.
    """
    before = [op for op in graph.ops if isinstance(op, Quantize) and op.inputs[0] in graph.inputs]
    after: list[Op] = []
    done: set[TensorId] = set()
    for op in graph.ops:
        follows = any(tensor in done for tensor in operands(op))
        if isinstance(op, Softmax | Dequantize) or (follows and isinstance(op, Reshape)):
            after.append(op)
            done.add(op.output)
        elif follows:
            first = next(t for t in operands(op) if t in done)
            producer = graph.producer(first)
            assert producer is not None
            raise ModelError(
                f"{describe(graph, producer)}: the accelerator does not compute it, so it can only "
                f"be one of the last operators, but operator {op.index} ({op.kind}) follows; end "
                "the model before it"
            )
        elif isinstance(op, Quantize) and op not in before:
            raise ModelError(
                f"{describe(graph, op)}: QUANTIZE from float32 is supported at the model's input "
                "only; quantize the operations before it"
            )
    left = [op for op in graph.ops if op not in before and op not in after]
    computed = {op.output for op in left}
    inputs = [t for t in graph.inputs if any(t in operands(op) for op in left)]
    inputs += [op.output for op in before]
    outputs = [t for op in after for t in op.inputs if t not in done]
    outputs = [t for t in graph.outputs if t in computed] + outputs
    rest = Graph(graph.name, graph.tensors, left, inputs, list(dict.fromkeys(outputs)))
    rest.outputs = [t for t in rest.outputs if t in computed]
    return Division(rest, tuple(graph.inputs), tuple(graph.outputs), tuple(before), tuple(after))


def host_op(graph: Graph, op: Op) -> HostOp:
    attributes = {"beta": op.beta} if isinstance(op, Softmax) else {}
    return HostOp(
        op.kind,
        op.index,
        _tensor(graph, op.inputs[0]),
        _tensor(graph, op.output),
        attributes,
    )


def _tensor(graph: Graph, tensor: TensorId) -> HostTensor:
    found = graph.tensors[tensor]
    record: HostTensor = {
        "name": found.name,
        "tensor": tensor,
        "dtype": found.dtype.value,
        "shape": list(found.shape),
    }
    if found.quantization is not None:
        record["scale"] = found.quantization.scale
        record["zero_point"] = found.quantization.zero_point
    return record
