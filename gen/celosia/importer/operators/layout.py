# SPDX-License-Identifier: BSD-2-Clause
"""Operators that move bytes: RESHAPE, SQUEEZE, EXPAND_DIMS, CONCATENATION, PAD and PADV2.

Conditions: ``reshape.cc``, ``squeeze.cc``, ``expand_dims.cc``, ``concatenation.cc`` and ``pad.cc``
of TensorFlow Lite.
"""

from __future__ import annotations

import math

from celosia.graph.ir import Activation, Concatenation, DType, Op, Pad, Reshape, Tensor, TensorId
from celosia.graph.rules import is_same
from celosia.graph.shapes import Shape
from celosia.importer.node import Node, quantization_of
from celosia.importer.tensors import DAMAGED_REMEDY, QUANTIZE_REMEDY


def reshape(node: Node) -> Op:
    """RESHAPE to a shape that is a constant operand, or else an option."""
    node.expect_inputs(1, 2)
    x_id, x = node.activation()
    if node.input_index(1) is not None:
        wanted = node.integers(1).ravel().tolist()
    elif node.option("NewShapeLength", 0):
        if node.options.NewShapeLength() > 32:
            node.reject("its new shape has too many dimensions", DAMAGED_REMEDY)
        wanted = node.options.NewShapeAsNumpy().tolist()
    else:
        node.reject("it has no new shape", DAMAGED_REMEDY)
    known = math.prod(size for size in wanted if size != -1)
    if wanted.count(-1) == 1 and known > 0:
        wanted[wanted.index(-1)] = math.prod(x.shape) // known
    return _reshaped(node, x_id, x, tuple(wanted))


def squeeze(node: Node) -> Op:
    """SQUEEZE of the named dimensions, or of all of size 1."""
    node.expect_inputs(1, 1)
    x_id, x = node.activation()
    rank = len(x.shape)
    named = []
    if node.option("SqueezeDimsLength", 0):
        if node.options.SqueezeDimsLength() > rank:
            node.reject(f"it drops more than {rank} dimensions", DAMAGED_REMEDY)
        named = [axis + rank * (axis < 0) for axis in node.options.SqueezeDimsAsNumpy().tolist()]
    for axis in named:
        if not 0 <= axis < rank or x.shape[axis] != 1:
            node.reject(f"dimension {axis} of {list(x.shape)} cannot be dropped", DAMAGED_REMEDY)
    kept = tuple(
        size for axis, size in enumerate(x.shape) if (axis not in named if named else size != 1)
    )
    return _reshaped(node, x_id, x, kept)


def expand_dims(node: Node) -> Op:
    """EXPAND_DIMS at a constant axis."""
    node.expect_inputs(2, 2)
    x_id, x = node.activation()
    axes = node.integers(1).ravel().tolist()
    rank = len(x.shape)
    if len(axes) != 1 or not -rank - 1 <= axes[0] <= rank:
        node.reject(f"the axis {axes} cannot be added to {list(x.shape)}", DAMAGED_REMEDY)
    axis = axes[0] + (rank + 1) * (axes[0] < 0)
    return _reshaped(node, x_id, x, (*x.shape[:axis], 1, *x.shape[axis:]))


def _reshaped(node: Node, x_id: TensorId, x: Tensor, shape: Shape) -> Op:
    result_id, result = node.result()
    if not is_same(quantization_of(x), quantization_of(result)):
        node.report(
            "its input and output differ in quantization, though the bytes stay",
            QUANTIZE_REMEDY,
            result_id,
        )
    node.expect_shape(shape, result_id)
    return node.finish(Reshape(node.index, [x_id], result_id))


def concatenation(node: Node) -> Op:
    """CONCATENATION of tensors with the output's quantization."""
    count = len(node.operator.inputs)
    node.expect_inputs(max(count, 1), max(count, 1))
    result_id, result = node.result()
    inputs = []
    for position in range(count):
        x_id, x = node.activation(position)
        inputs.append(x_id)
        if not is_same(quantization_of(x), quantization_of(result)):
            node.report(
                f"its input {position} and output differ in quantization", QUANTIZE_REMEDY, x_id
            )
    if node.fused_activation(result.quantization) is not Activation.NONE:
        node.report("a fused activation is not supported", "use an activation operator of its own")
    axis = int(node.option("Axis", 0))
    rank = len(result.shape)
    if not -rank <= axis < rank:
        node.reject(f"{list(result.shape)} has no axis {axis}", DAMAGED_REMEDY)
    return node.finish(Concatenation(node.index, inputs, result_id, axis=axis % rank))


def pad(node: Node) -> Op:
    """PAD and PADV2 with the zero point."""
    node.expect_inputs(2, 3)
    x_id, x = node.activation()
    result_id, result = node.result()
    quantization = quantization_of(result)
    if not is_same(quantization_of(x), quantization):
        node.report("its input and output differ in quantization", QUANTIZE_REMEDY, result_id)
    amounts = node.integers(1)
    if amounts.shape != (len(x.shape), 2) or (amounts < 0).any():
        node.reject(
            f"its amounts {amounts.tolist()} do not go with {list(x.shape)}", DAMAGED_REMEDY
        )
    if node.input_index(2) is not None:
        _check_pad_value(node, result)
    pairs = tuple((int(before), int(after)) for before, after in amounts)
    return node.finish(Pad(node.index, [x_id], result_id, amounts=pairs))


def _check_pad_value(node: Node, result: Tensor) -> None:
    """Reports a value of PADV2 that is not the zero point."""
    quantization = quantization_of(result)
    tensor, values = node.constant(2, DType.INT8)
    stored = tensor.quantization
    if values.size != 1:
        node.reject(f"the value to pad with has {values.size} elements", DAMAGED_REMEDY)
    if (
        stored is None
        or stored.scales[0] != quantization.scale
        or stored.zero_points.tolist() != [quantization.zero_point]
    ):
        node.report(
            "the value to pad with and the output differ in quantization",
            QUANTIZE_REMEDY,
            tensor.index,
        )
    value = int(values.ravel()[0])
    if value != quantization.zero_point:
        node.report(
            f"padding with {value}, which is not the zero point {quantization.zero_point}, is not "
            "supported",
            "pad with zeros",
            tensor.index,
        )
