# SPDX-License-Identifier: BSD-2-Clause
"""Checks that a graph is well formed; run after the import and after every pass.

A graph that fails here is a defect of the importer or of a pass, never of a model file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from celosia.graph.ir import DType, Graph, Op, Tensor, TensorId, operands
from celosia.graph.rules import is_valid
from celosia.graph.verify_ops import OpChecker


class GraphError(Exception):
    """A graph is malformed: a defect of whatever made it."""


def verify(graph: Graph) -> None:
    """Raises GraphError unless ``graph`` is well formed.

    Checked are: identifiers; that every tensor is computed once and before it is read; shapes
    against the operations' rules; element types; quantization (8-bit activations have one valid
    scale and zero point, float32 ones none); constants against their shapes and types; and of each
    operation its attributes, weights and epilogue, and what its kernel demands of quantization.
    """

    def fail(reason: str) -> NoReturn:
        raise GraphError(f"graph {graph.name!r}: {reason}")

    for index, tensor in graph.tensors.items():
        _check_tensor(index, tensor, fail)
    _check_ends(graph, fail)
    known = set(graph.inputs)
    for op in graph.ops:
        _check_dataflow(graph, op, known, fail)
        known.add(op.output)
        reason = OpChecker(graph, op).problem()
        if reason is not None:
            fail(f"operation {op.index} {op.kind}: {reason}")
    for index in graph.outputs:
        if index not in known:
            fail(f"output {index} is never computed")


def _check_tensor(index: TensorId, tensor: Tensor, fail: Callable[[str], NoReturn]) -> None:
    where = f"tensor {index} {tensor.name!r}"
    if not tensor.shape or not all(type(size) is int and size > 0 for size in tensor.shape):
        fail(f"{where} has the shape {tensor.shape}")
    if tensor.dtype in (DType.INT8, DType.UINT8):
        if not is_valid(tensor.quantization, tensor.dtype):
            fail(f"{where} has the quantization {tensor.quantization}")
    elif tensor.dtype is not DType.FLOAT32:
        fail(f"{where} has the element type {tensor.dtype.name}")
    elif tensor.quantization is not None:
        fail(f"{where} is FLOAT32 with a quantization")
    if tensor.data is not None and (
        tensor.data.shape != tensor.shape or tensor.data.dtype != tensor.dtype.numpy
    ):
        found = f"{tensor.data.dtype.name}{list(tensor.data.shape)}"
        fail(f"{where} has data of {found} instead of {tensor.dtype.value}{list(tensor.shape)}")


def _check_ends(graph: Graph, fail: Callable[[str], NoReturn]) -> None:
    for what, ends in (("input", graph.inputs), ("output", graph.outputs)):
        if not ends:
            fail(f"it has no {what}")
        if len(set(ends)) != len(ends):
            fail(f"an {what} is named twice: {ends}")
        for index in ends:
            if index not in graph.tensors:
                fail(f"{what} {index} is no tensor")
            if graph.tensors[index].data is not None:
                fail(f"{what} {index} is a constant")


def _check_dataflow(
    graph: Graph, op: Op, known: set[TensorId], fail: Callable[[str], NoReturn]
) -> None:
    where = f"operation {op.index} {op.kind}"
    for index in operands(op):
        if index not in graph.tensors:
            fail(f"{where} reads {index}, which is no tensor")
        if index not in known and graph.tensors[index].data is None:
            fail(f"{where} reads {index} before it is computed")
    if op.output not in graph.tensors:
        fail(f"{where} computes {op.output}, which is no tensor")
    if op.output in known:
        fail(f"{where} computes {op.output}, which is computed already")
    if graph.tensors[op.output].data is not None:
        fail(f"{where} computes {op.output}, which is a constant")
