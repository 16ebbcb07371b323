# SPDX-License-Identifier: BSD-2-Clause
"""The contents of a ``.tflite`` file as plain Python values, before they get any meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tflite
from tflite.utils import BUILTIN_OPCODE2NAME

from celosia.importer.flatbuffer import CorruptFileError, checked, int32_field, reinterpreted, root

Bytes: TypeAlias = npt.NDArray[np.uint8]

SCHEMA_VERSION = 3
#: Bounds that keep the work for a hostile file small; real models are far below.
MAX_OPERATORS = 4096
MAX_TENSORS = 32768
MAX_OPERANDS = 128
MAX_DIMENSIONS = 8
_MAX_NAME = 512

_TYPE_NAMES = {
    value: name for name, value in vars(tflite.TensorType).items() if isinstance(value, int)
}
_OPTION_NAMES = {
    value: name for name, value in vars(tflite.BuiltinOptions).items() if isinstance(value, int)
}
#: Slot of ``builtin_code`` in the vtable of OperatorCode.
_BUILTIN_CODE_SLOT = 10


@dataclass(frozen=True)
class FileQuantization:
    """Quantization as stored; views of the file, of any length and content."""

    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    axis: int
    custom: bool


@dataclass(frozen=True)
class FileTensor:
    """A tensor as stored. ``data`` are its constant bytes, if any; ``shape`` may be nonsense."""

    index: int
    name: str
    shape: tuple[int, ...]
    type_name: str
    quantization: FileQuantization | None
    data: Bytes | None
    variable: bool
    sparse: bool
    external: bool


@dataclass(frozen=True)
class FileOperator:
    """An operator as stored; ``inputs`` and ``outputs`` are valid tensor indices, or -1."""

    index: int
    name: str
    custom: bool
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_name: str
    _table: Any

    def options(self, kind: Any) -> Any:
        """The options table, which must be of the generated class ``kind``."""
        return reinterpreted(kind, self._table.BuiltinOptions())


class ModelFile:
    """A model file, read on demand; raises CorruptFileError on anything impossible."""

    def __init__(self, data: bytes) -> None:
        self._model = root(tflite.Model, data)
        self.version = int(self._model.Version())
        self.subgraphs = int(self._model.SubgraphsLength())
        self._tensors: dict[int, FileTensor] = {}
        self.inputs: tuple[int, ...] = ()
        self.outputs: tuple[int, ...] = ()
        self.operators: list[FileOperator] = []
        self.tensor_count = 0
        if not self.subgraphs:
            return
        self._subgraph = checked(self._model.Subgraphs(0))
        self.tensor_count = _count("tensors", self._subgraph.TensorsLength(), MAX_TENSORS)
        self.inputs = self._indices("inputs of the model", self._subgraph.InputsAsNumpy())
        self.outputs = self._indices("outputs of the model", self._subgraph.OutputsAsNumpy())
        codes = self._operator_codes()
        count = _count("operators", self._subgraph.OperatorsLength(), MAX_OPERATORS)
        self.operators = [self._operator(index, codes) for index in range(count)]

    def tensor(self, index: int) -> FileTensor:
        """Tensor ``index``, which must exist."""
        if index not in self._tensors:
            self._tensors[index] = self._read_tensor(index)
        return self._tensors[index]

    # --- operators -------------------------------------------------------------------------------

    def _operator_codes(self) -> list[tuple[str, bool, int]]:
        """Name, whether it is a custom operator, and version of each operator code."""
        count = _count("operator codes", self._model.OperatorCodesLength(), MAX_OPERATORS)
        codes = []
        for index in range(count):
            code = checked(self._model.OperatorCodes(index))
            # The generated BuiltinCode() prefers the deprecated field; TensorFlow Lite takes the
            # larger one, so the field is read by its slot.
            newer = int32_field(code, _BUILTIN_CODE_SLOT)
            number = max(int(code.DeprecatedBuiltinCode()), newer)
            custom = number == tflite.BuiltinOperator.CUSTOM
            if custom:
                name = _text(code.CustomCode() or b"CUSTOM")
            else:
                name = BUILTIN_OPCODE2NAME.get(number, f"operator code {number}")
            codes.append((name, custom, int(code.Version())))
        return codes

    def _operator(self, index: int, codes: list[tuple[str, bool, int]]) -> FileOperator:
        operator = checked(self._subgraph.Operators(index))
        code = int(operator.OpcodeIndex())
        if code >= len(codes):
            raise CorruptFileError(f"operator {index} has the code {code} of {len(codes)}")
        name, custom, version = codes[code]
        number = int(operator.BuiltinOptionsType())
        options_name = _OPTION_NAMES.get(number, f"options type {number}")
        if operator.BuiltinOptions() is None:
            options_name = "NONE"
        return FileOperator(
            index,
            name,
            custom,
            version,
            self._indices(f"inputs of operator {index}", operator.InputsAsNumpy()),
            self._indices(f"outputs of operator {index}", operator.OutputsAsNumpy()),
            options_name,
            operator,
        )

    def _indices(self, what: str, values: Any) -> tuple[int, ...]:
        """Tensor indices of a vector (0 stands for an absent one in generated code)."""
        if isinstance(values, int):
            return ()
        _count(what, len(values), MAX_OPERANDS)
        indices = tuple(values.tolist())
        for index in indices:
            if not -1 <= index < self.tensor_count:
                raise CorruptFileError(f"the {what} name tensor {index} of {self.tensor_count}")
        return indices

    # --- tensors ---------------------------------------------------------------------------------

    def _read_tensor(self, index: int) -> FileTensor:
        tensor = checked(self._subgraph.Tensors(index))
        dimensions = _count(f"dimensions of tensor {index}", tensor.ShapeLength(), MAX_DIMENSIONS)
        shape = tuple(tensor.ShapeAsNumpy().tolist()) if dimensions else ()
        number = int(tensor.Type())
        data, external = self._data(index, int(tensor.Buffer()))
        return FileTensor(
            index,
            _text(tensor.Name() or b"") or f"tensor {index}",
            shape,
            _TYPE_NAMES.get(number, f"type {number}"),
            _quantization(checked(tensor.Quantization())),
            data,
            bool(tensor.IsVariable()),
            tensor.Sparsity() is not None,
            external,
        )

    def _data(self, index: int, number: int) -> tuple[Bytes | None, bool]:
        """Constant bytes of a tensor, and whether they lie outside of the flatbuffer."""
        # Buffer 0 is the empty one by convention.
        if number == 0:
            return None, False
        if number >= self._model.BuffersLength():
            raise CorruptFileError(f"tensor {index} has its data in buffer {number}, which is none")
        buffer = checked(self._model.Buffers(number))
        # TensorFlow Lite takes the values 0 and 1 for "not used".
        if buffer.Offset() > 1:
            return None, True
        data = buffer.DataAsNumpy()
        return (None if isinstance(data, int) or not len(data) else data), False


def _quantization(table: Any) -> FileQuantization | None:
    if table is None or not table.ScaleLength():
        return None
    zero_points = table.ZeroPointAsNumpy()
    return FileQuantization(
        table.ScaleAsNumpy(),
        np.zeros(0, np.int64) if isinstance(zero_points, int) else zero_points,
        int(table.QuantizedDimension()),
        bool(table.DetailsType()),
    )


def _count(what: str, count: int, limit: int) -> int:
    if count > limit:
        raise CorruptFileError(f"there are {count} {what}, more than the {limit} that are read")
    return count


def _text(raw: bytes) -> str:
    """A name fit for a message: printable and not too long."""
    text = raw[:_MAX_NAME].decode("utf-8", errors="replace")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
