# SPDX-License-Identifier: BSD-2-Clause
"""Runs the operations of a graph one after the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from celosia.errors import InputError
from celosia.graph.ir import (
    Array,
    Dequantize,
    Graph,
    Op,
    Quantize,
    Reshape,
    Softmax,
    TensorId,
    operands,
)
from celosia_sim.reference import elementwise, layout, matrix, pooling
from celosia_sim.reference.node import Kernel, Node

_KERNELS: dict[type[Op], Kernel] = {
    **matrix.KERNELS,
    **pooling.KERNELS,
    **elementwise.KERNELS,
    **layout.KERNELS,
}

#: Operations that may stay on the host, before and behind an accelerator.
HOST_OPS = (Quantize, Dequantize, Softmax, Reshape)


def run(
    graph: Graph, inputs: Mapping[TensorId, Array] | Array, keep: bool = False
) -> dict[TensorId, Array]:
    """Computes a graph's tensors for one sample.

    Args:
        graph: from the importer or after any passes, fused forms included.
        inputs: arrays with the shapes and element types of the graph's inputs, batch of 1
            included, by tensor; the array alone where there is one input.
        keep: return every tensor but constants, not the outputs alone.

    Returns:
        Arrays by tensor, with the shapes and element types that the graph declares.

    Raises:
        InputError: an input is missing, is none of the graph's, or has another shape or type.
        ModelError: the model's scales are out of the range in which the reference is defined.
    """
    values = _checked_inputs(graph, inputs)
    constants = {
        number: tensor.data for number, tensor in graph.tensors.items() if tensor.data is not None
    }
    values.update(constants)
    for op in graph.ops:
        values[op.output] = _execute(graph, op, values)
    if keep:
        return {number: array for number, array in values.items() if number not in constants}
    return {number: values[number] for number in graph.outputs}


def run_from(graph: Graph, known: Mapping[TensorId, Array]) -> dict[TensorId, Array]:
    """Computes the outputs from tensors in the middle, such as an accelerator's results.

    Runs only what is left to a host (HOST_OPS), so that nothing of an accelerator's work is done
    here in its stead.

    Raises:
        InputError: ``known`` does not determine an output.
    """
    values = {n: tensor.data for n, tensor in graph.tensors.items() if tensor.data is not None}
    values.update(known)
    for op in graph.ops:
        if op.output in values or any(number not in values for number in operands(op)):
            continue
        if isinstance(op, HOST_OPS):
            values[op.output] = _execute(graph, op, values)
    if missing := [graph.tensors[n].name for n in graph.outputs if n not in values]:
        raise InputError(f"{graph.name}: {', '.join(missing)} cannot be computed on the host")
    return {number: values[number] for number in graph.outputs}


def _execute(graph: Graph, op: Op, values: Mapping[TensorId, Array]) -> Array:
    result = _KERNELS[type(op)](op, Node(graph, op, values))
    tensor = graph.tensors[op.output]
    return result.astype(tensor.dtype.numpy, copy=False).reshape(tensor.shape)


def _checked_inputs(
    graph: Graph, inputs: Mapping[TensorId, Array] | Array
) -> dict[TensorId, Array]:
    if not isinstance(inputs, Mapping):
        if len(graph.inputs) != 1:
            raise InputError(
                f"{graph.name}: it has {len(graph.inputs)} inputs; give a mapping from the tensors "
                f"{graph.inputs} to arrays"
            )
        inputs = {graph.inputs[0]: np.asarray(inputs)}
    if set(inputs) != set(graph.inputs):
        raise InputError(
            f"{graph.name}: arrays are given for the tensors {sorted(inputs)}; the inputs are "
            f"{sorted(graph.inputs)}"
        )
    values = {}
    for number in graph.inputs:
        tensor, array = graph.tensors[number], np.asarray(inputs[number])
        if array.shape != tensor.shape or array.dtype != tensor.dtype.numpy:
            raise InputError(
                f"{graph.name}: input {tensor.name!r} must be {tensor.dtype.value} of shape "
                f"{list(tensor.shape)}, not {array.dtype} of shape {list(array.shape)}"
            )
        values[number] = array
    return values
