# SPDX-License-Identifier: BSD-2-Clause
"""Tensors of the file as tensors of the graph, and the list of problems found on the way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from celosia.errors import Problem
from celosia.graph.ir import DType, Quantization, Tensor, TensorId
from celosia.graph.rules import RANGES
from celosia.importer.modelfile import FileOperator, FileTensor, ModelFile

QUANTIZE_REMEDY = (
    "convert the model with full-integer int8 quantization (optimizations=[DEFAULT], a "
    "representative_dataset, target_spec.supported_ops=[TFLITE_BUILTINS_INT8])"
)
CONSTANT_REMEDY = "let the converter fold it, or make it part of the model's graph"
_FIXED_SHAPE_REMEDY = "convert the model with a fixed input shape of batch 1"
DAMAGED_REMEDY = "the file is inconsistent; convert the model again"

#: Elements of one tensor. The reference sums 8-bit values in 32 bits, which 2^24 cannot overflow.
MAX_ELEMENTS = 1 << 24
#: Bytes of constants over all operators; several operators may name the same bytes.
MAX_CONSTANT_BYTES = 128 << 20
_MAX_RANK = 4
#: Problems that are kept; a hostile file may have more than memory has room for.
_MAX_PROBLEMS = 1000


class Problems:
    """Problems in the order in which they are found, each one once, the first thousand."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self._seen: set[tuple[str, str | None]] = set()
        self._operators: set[int] = set()

    def add(
        self,
        reason: str,
        remedy: str,
        operator: FileOperator | None = None,
        tensor: str | None = None,
    ) -> None:
        """Adds a problem; one of a tensor is told for the first operator that meets it only."""
        if operator is not None:
            self._operators.add(operator.index)
        if len(self.found) >= _MAX_PROBLEMS:
            return
        if tensor is not None:
            if (reason, tensor) in self._seen:
                return
            self._seen.add((reason, tensor))
        index = None if operator is None else operator.index
        name = None if operator is None else operator.name
        self.found.append(Problem(reason, remedy, index, name, tensor))

    def has(self, operator: FileOperator) -> bool:
        """Whether a problem was reported for ``operator``."""
        return operator.index in self._operators


class TensorReader:
    """Reads tensors once each; returns None where a problem was reported."""

    def __init__(self, file: ModelFile, problems: Problems) -> None:
        self.problems = problems
        self.tensors: dict[TensorId, Tensor] = {}
        self._file = file
        self._constant_bytes = 0

    def name(self, index: TensorId | None) -> str | None:
        """The tensor's name, for messages."""
        return None if index is None else self._file.tensor(index).name

    def is_constant(self, index: TensorId) -> bool:
        """Whether the tensor's values are in the file."""
        tensor = self._file.tensor(index)
        return tensor.data is not None or tensor.external

    def stored(self, index: TensorId, operator: FileOperator | None) -> FileTensor | None:
        """The tensor as stored, if it is dense, immutable and has a usable shape."""
        tensor = self._file.tensor(index)
        reason = None
        if tensor.variable:
            reason, remedy = "it is a variable (state between runs)", "export a stateless model"
        elif tensor.sparse:
            reason, remedy = "it is stored sparse", "convert the model without sparse encoding"
        elif tensor.external:
            reason = "its data lie outside of the flatbuffer"
            remedy = "convert the model again; models below 2 GB need no external data"
        elif any(size < 1 for size in tensor.shape):
            reason = f"its shape {list(tensor.shape)} is not fixed"
            remedy = _FIXED_SHAPE_REMEDY
        elif math.prod(tensor.shape) > MAX_ELEMENTS:
            reason = f"its shape {list(tensor.shape)} has more than {MAX_ELEMENTS} elements"
            remedy = "use a smaller model"
        if reason is not None:
            self.problems.add(reason, remedy, operator, tensor.name)
            return None
        return tensor

    def activation(
        self, index: TensorId, operator: FileOperator | None, *, scalar: bool = False
    ) -> Tensor | None:
        """The tensor of the graph that ``index`` is, without data.

        8-bit tensors have one valid scale and zero point; all have 1 to 4 dimensions, of which
        the first of 4 is 1. With ``scalar`` a tensor without dimensions becomes one with shape
        (1,), which broadcasts alike.
        """
        if index in self.tensors:
            return self.tensors[index]
        stored = self.stored(index, operator)
        if stored is None:
            return None
        shape = (1,) if scalar and not stored.shape else stored.shape
        reason = None
        if stored.type_name not in ("INT8", "UINT8", "FLOAT32"):
            reason, remedy = f"its type {stored.type_name} is not supported", QUANTIZE_REMEDY
        elif not 1 <= len(shape) <= _MAX_RANK:
            reason = f"its shape {list(shape)} has {len(shape)} dimensions, not 1 to {_MAX_RANK}"
            remedy = f"reshape it in the model to at most {_MAX_RANK} dimensions"
        elif len(shape) == _MAX_RANK and shape[0] != 1:
            reason = f"its batch size is {shape[0]}"
            remedy = _FIXED_SHAPE_REMEDY
        if reason is not None:
            self.problems.add(reason, remedy, operator, stored.name)
            return None
        dtype = DType[stored.type_name]
        quantization = None
        if dtype is not DType.FLOAT32:
            quantization = self._per_tensor(stored, dtype, operator)
            if quantization is None:
                return None
        tensor = Tensor(stored.name, shape, dtype, quantization)
        self.tensors[index] = tensor
        return tensor

    def values(self, tensor: FileTensor, operator: FileOperator | None) -> npt.NDArray[Any] | None:
        """The constant's values in its shape: a read-only view of the file."""
        dtype = DType[tensor.type_name].numpy.newbyteorder("<")
        data = tensor.data
        wanted = math.prod(tensor.shape) * dtype.itemsize
        if data is None or len(data) != wanted:
            self.problems.add(
                f"it has {0 if data is None else len(data)} bytes of data instead of the {wanted} "
                f"of {tensor.type_name}{list(tensor.shape)}",
                DAMAGED_REMEDY,
                operator,
                tensor.name,
            )
            return None
        if not self.charge(wanted, operator):
            return None
        return data.view(dtype).reshape(tensor.shape)

    def charge(self, count: int, operator: FileOperator | None) -> bool:
        """Counts bytes of constants; whether all operators together stay within the limit."""
        self._constant_bytes += count
        if self._constant_bytes <= MAX_CONSTANT_BYTES:
            return True
        reason = f"with this operator the constants exceed {MAX_CONSTANT_BYTES} bytes"
        self.problems.add(reason, "use a smaller model", operator)
        return False

    def _per_tensor(
        self, tensor: FileTensor, dtype: DType, operator: FileOperator | None
    ) -> Quantization | None:
        """The quantization of an 8-bit activation."""
        stored = tensor.quantization
        low, high = RANGES[dtype]
        reason = None
        if stored is None:
            reason = f"it is {dtype.name} without quantization"
        elif stored.custom:
            reason = "its quantization is a custom one"
        elif len(stored.scales) != 1 or len(stored.zero_points) != 1:
            reason = (
                f"it has {len(stored.scales)} scales and {len(stored.zero_points)} zero points "
                "instead of one each"
            )
        elif not (np.isfinite(stored.scales[0]) and stored.scales[0] > 0):
            reason = f"its scale {stored.scales[0]:g} is no positive number"
        elif not low <= stored.zero_points[0] <= high:
            reason = f"its zero point {stored.zero_points[0]} is not in {low}..{high}"
        if reason is not None or stored is None:
            self.problems.add(reason or "", QUANTIZE_REMEDY, operator, tensor.name)
            return None
        return Quantization((float(stored.scales[0]),), (int(stored.zero_points[0]),))
