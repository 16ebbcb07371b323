# SPDX-License-Identifier: BSD-2-Clause
"""One operator of the file while it is imported: checked access to its operands and options."""

from __future__ import annotations

from typing import Any, NoReturn, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import tflite

from celosia.graph.ir import Activation, DType, Op, Quantization, Tensor, TensorId
from celosia.graph.shapes import Shape, ShapeError, result_shape
from celosia.importer.modelfile import FileOperator, FileTensor
from celosia.importer.tensors import (
    CONSTANT_REMEDY,
    DAMAGED_REMEDY,
    QUANTIZE_REMEDY,
    TensorReader,
)

IntArray: TypeAlias = npt.NDArray[np.int64]

#: Windows, strides and dilations beyond this are refused, strides also by the kernels.
_MAX_WINDOW = 32767

_ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: Activation.NONE,
    tflite.ActivationFunctionType.RELU: Activation.RELU,
    tflite.ActivationFunctionType.RELU6: Activation.RELU6,
    tflite.ActivationFunctionType.RELU_N1_TO_1: Activation.RELU_N1_TO_1,
}
_ACTIVATION_NAMES = {
    value: name
    for name, value in vars(tflite.ActivationFunctionType).items()
    if isinstance(value, int)
}


class RejectedOperatorError(Exception):
    """The operator cannot be imported; the problems are already reported."""


class Node:
    """What the importers of single operators work with.

    Methods that return something raise RejectedOperatorError if there is nothing sensible to
    return, having reported why; ``report`` notes a problem and lets the importer go on to find
    further ones. ``finish`` ends an import.
    """

    def __init__(self, operator: FileOperator, reader: TensorReader, options: Any) -> None:
        self.operator = operator
        self.options = options
        self._reader = reader

    @property
    def index(self) -> int:
        return self.operator.index

    # --- problems --------------------------------------------------------------------------------

    def report(self, reason: str, remedy: str, tensor: int | None = None) -> None:
        """Notes a problem of this operator, or of one of its tensors."""
        self._reader.problems.add(reason, remedy, self.operator, self._reader.name(tensor))

    def reject(self, reason: str, remedy: str, tensor: int | None = None) -> NoReturn:
        """Notes a problem that leaves nothing to go on with."""
        self.report(reason, remedy, tensor)
        raise RejectedOperatorError

    def finish(self, op: Op) -> Op:
        """``op``, if no problem was reported and its result's shape is the file's.

        The importer's last act, as the shape of a result depends on everything else.
        """
        if self._reader.problems.has(self.operator):
            raise RejectedOperatorError
        tensors = self._reader.tensors
        inputs = [tensors[tensor].shape for tensor in op.inputs]
        declared = tensors[op.output].shape
        try:
            expected = result_shape(op, inputs, declared)
        except ShapeError as error:
            self.reject(str(error), DAMAGED_REMEDY)
        self.expect_shape(expected, op.output)
        return op

    def expect_shape(self, expected: Shape, result: TensorId) -> None:
        """Rejects the operator if the file has another shape for the result."""
        declared = self._reader.tensors[result].shape
        if declared != expected:
            self.reject(
                f"the file says {list(declared)} for the result, which is {list(expected)}",
                DAMAGED_REMEDY,
                result,
            )

    # --- operands --------------------------------------------------------------------------------

    def expect_inputs(self, low: int, high: int) -> None:
        """Rejects the operator unless it has so many inputs, and one output."""
        inputs, outputs = len(self.operator.inputs), len(self.operator.outputs)
        if not low <= inputs <= high or outputs != 1:
            wanted = str(low) if low == high else f"{low} to {high}"
            self.reject(
                f"it has {inputs} inputs and {outputs} outputs instead of {wanted} and 1",
                DAMAGED_REMEDY,
            )

    def input_index(self, position: int) -> TensorId | None:
        """The tensor at an input position, None if it is left out."""
        inputs = self.operator.inputs
        if position >= len(inputs) or inputs[position] < 0:
            return None
        return inputs[position]

    def activation(
        self, position: int = 0, dtypes: tuple[DType, ...] = (DType.INT8,), rank: int | None = None
    ) -> tuple[TensorId, Tensor]:
        """A computed tensor that the operator reads, with its identifier."""
        index = self._required(position)
        if self._reader.is_constant(index):
            self.reject(
                f"its input {position} is a constant, which is not folded", CONSTANT_REMEDY, index
            )
        return index, self._activation(index, dtypes, rank)

    def result(
        self, dtypes: tuple[DType, ...] = (DType.INT8,), rank: int | None = None
    ) -> tuple[TensorId, Tensor]:
        """The tensor that the operator computes, with its identifier."""
        index = self.operator.outputs[0]
        return index, self._activation(index, dtypes, rank)

    def is_constant(self, position: int) -> bool:
        """Whether an input is given in the file."""
        return self._reader.is_constant(self._required(position))

    def constant(self, position: int, *dtypes: DType) -> tuple[FileTensor, npt.NDArray[Any]]:
        """A constant input: the tensor as stored, and its values as a view of the file."""
        index = self._required(position)
        if not self._reader.is_constant(index):
            self.reject(
                f"its input {position} must be a constant, and is computed", CONSTANT_REMEDY, index
            )
        tensor = self._reader.stored(index, self.operator)
        if tensor is None:
            raise RejectedOperatorError
        if tensor.type_name not in [dtype.name for dtype in dtypes]:
            names = " or ".join(dtype.name for dtype in dtypes)
            self.reject(
                f"its type is {tensor.type_name} instead of {names}", QUANTIZE_REMEDY, index
            )
        values = self._reader.values(tensor, self.operator)
        if values is None:
            raise RejectedOperatorError
        return tensor, values

    def tensor(self, index: TensorId) -> Tensor:
        """A tensor that this operator or an earlier one has got already."""
        return self._reader.tensors[index]

    def integers(self, position: int) -> IntArray:
        """A constant input of a few integers (axes, a shape, amounts), of any dimensions."""
        tensor, values = self.constant(position, DType.INT32, DType.INT64)
        if values.size > 32:
            self.reject(f"it has {values.size} elements", DAMAGED_REMEDY, tensor.index)
        return values.astype(np.int64)

    def charge(self, count: int) -> None:
        """Counts ``count`` bytes that the operator needs beside its constants' own."""
        if not self._reader.charge(count, self.operator):
            raise RejectedOperatorError

    def constant_tensor(self, position: int) -> TensorId:
        """An int8 constant input that becomes a tensor of the graph."""
        stored, values = self.constant(position, DType.INT8)
        tensor = self._reader.activation(stored.index, self.operator, scalar=True)
        if tensor is None:
            raise RejectedOperatorError
        tensor.data = values.reshape(tensor.shape)
        return stored.index

    def _required(self, position: int) -> TensorId:
        index = self.input_index(position)
        if index is None:
            self.reject(f"its input {position} is left out", DAMAGED_REMEDY)
        return index

    def _activation(self, index: TensorId, dtypes: tuple[DType, ...], rank: int | None) -> Tensor:
        tensor = self._reader.activation(index, self.operator)
        if tensor is None:
            raise RejectedOperatorError
        if tensor.dtype not in dtypes:
            names = " or ".join(dtype.name for dtype in dtypes)
            self.reject(
                f"its type is {tensor.dtype.name} instead of {names}", QUANTIZE_REMEDY, index
            )
        if rank is not None and len(tensor.shape) != rank:
            self.reject(
                f"its shape {list(tensor.shape)} has not {rank} dimensions",
                "reshape it in the model before this operator",
                index,
            )
        return tensor

    # --- options ---------------------------------------------------------------------------------

    def option(self, field: str, default: Any) -> Any:
        """A field of the options; ``default`` if the operator has no options."""
        return default if self.options is None else getattr(self.options, field)()

    def fused_activation(self, output: Quantization | None) -> Activation:
        """The fused activation function, if it is one of those that clamp."""
        code = int(self.option("FusedActivationFunction", 0))
        activation = _ACTIVATIONS.get(code)
        if activation is None:
            name = _ACTIVATION_NAMES.get(code, str(code))
            self.report(
                f"the fused activation {name} is not supported",
                "use RELU, RELU6 or RELU_N1_TO_1, or an activation operator of its own",
            )
            return Activation.NONE
        bound = {Activation.RELU6: 6.0, Activation.RELU_N1_TO_1: 1.0}.get(activation)
        # The kernel refuses a bound that is no int32 in steps of the output.
        if bound and output is not None and not bound / output.scale < 2**31 - 256:
            self.report(
                f"the scale {output.scale:g} of the output is too small for {activation.name}",
                QUANTIZE_REMEDY,
            )
        return activation

    def pair(self, vertical: str, horizontal: str) -> tuple[int, int]:
        """Two positive fields such as the strides; (1, 1) after a report if they are not."""
        values = int(self.option(vertical, 1)), int(self.option(horizontal, 1))
        for field, value in zip((vertical, horizontal), values, strict=True):
            if not 1 <= value <= _MAX_WINDOW:
                self.report(f"{field} is {value}, not in 1..{_MAX_WINDOW}", DAMAGED_REMEDY)
                return 1, 1
        return values

    def same_padding(self) -> bool:
        """Whether the padding is SAME and not VALID."""
        code = int(self.option("Padding", tflite.Padding.VALID))
        if code not in (tflite.Padding.SAME, tflite.Padding.VALID):
            self.reject(f"the padding {code} is neither SAME nor VALID", DAMAGED_REMEDY)
        return bool(code == tflite.Padding.SAME)


def quantization_of(tensor: Tensor) -> Quantization:
    """The quantization of an 8-bit tensor that came from a Node, and so has one."""
    return cast(Quantization, tensor.quantization)
