# SPDX-License-Identifier: BSD-2-Clause
"""Tensors, operators and constants of a model file, and their serialization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import flatbuffers
import numpy as np
import numpy.typing as npt
import tflite

from celosia.graph.ir import Activation, Array, DType, Quantization

#: What a field of an options table may hold; sequences become int32 vectors.
OptionValue: TypeAlias = int | float | bool | Sequence[int]


@dataclass(frozen=True)
class Options:
    """A builtin options table: the schema's name of it and its fields by the schema's names.

    Fields that are not named keep the schema's defaults.
    """

    table: str
    fields: Mapping[str, OptionValue]


@dataclass
class _Operator:
    code: int
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None


@dataclass
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None
    data: bytes | None


#: The schema's number of each fused activation.
FILE_ACTIVATIONS: Mapping[Activation, int] = {
    Activation.NONE: tflite.ActivationFunctionType.NONE,
    Activation.RELU: tflite.ActivationFunctionType.RELU,
    Activation.RELU6: tflite.ActivationFunctionType.RELU6,
    Activation.RELU_N1_TO_1: tflite.ActivationFunctionType.RELU_N1_TO_1,
}

_SCHEMA_VERSION = 3
_DATA_ALIGNMENT = 16  # the schema forces buffers to this alignment


def per_tensor(scale: float, zero_point: int = 0) -> Quantization:
    """One scale, rounded to float32 as the file stores it, and one zero point."""
    return Quantization((float(np.float32(scale)),), (zero_point,))


def per_channel(scales: Iterable[float], axis: int = 0) -> Quantization:
    """One scale for each index along ``axis``, rounded to float32; zero points 0."""
    values = tuple(float(np.float32(scale)) for scale in scales)
    return Quantization(values, (0,) * len(values), axis)


class BuilderCore:
    """Tensors and operators by number; knows no operator's meaning."""

    def __init__(self, description: str = "") -> None:
        self.description = description
        self._tensors: list[_Tensor] = []
        self._operators: list[_Operator] = []
        self._inputs: list[int] = []
        self._outputs: list[int] = []

    # --- tensors ---------------------------------------------------------------------------------

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        quantization: Quantization | None = None,
        dtype: DType = DType.INT8,
        data: Array | None = None,
    ) -> int:
        """Adds a tensor and returns its number; with ``data`` (of any shape) it is constant."""
        raw = None
        if data is not None:
            little = dtype.numpy.newbyteorder("<")
            raw = np.ascontiguousarray(data).astype(little, casting="same_kind").tobytes()
        self._tensors.append(_Tensor(name, tuple(shape), dtype, quantization, raw))
        return len(self._tensors) - 1

    def input(
        self,
        name: str,
        shape: Sequence[int],
        quantization: Quantization | None = None,
        dtype: DType = DType.INT8,
    ) -> int:
        """Adds a tensor that is an input of the model."""
        number = self.tensor(name, shape, quantization, dtype)
        self._inputs.append(number)
        return number

    def constant(
        self, name: str, data: npt.ArrayLike, quantization: Quantization | None = None
    ) -> int:
        """Adds a constant tensor with the shape and element type of ``data``."""
        array = np.asarray(data)
        return self.tensor(name, array.shape, quantization, DType(array.dtype.name), array)

    def output(self, tensor: int) -> None:
        """Declares a tensor to be an output of the model."""
        self._outputs.append(tensor)

    def shape(self, tensor: int) -> tuple[int, ...]:
        return self._tensors[tensor].shape

    def dtype(self, tensor: int) -> DType:
        return self._tensors[tensor].dtype

    def quantization(self, tensor: int) -> Quantization | None:
        return self._tensors[tensor].quantization

    # --- operators -------------------------------------------------------------------------------

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Options | None = None,
        version: int = 1,
    ) -> None:
        """Appends an operator by the schema's name, such as ``"CONV_2D"``.

        An input of -1 is an optional tensor left out.
        """
        code = getattr(tflite.BuiltinOperator, name)
        self._operators.append(_Operator(code, version, tuple(inputs), tuple(outputs), options))

    def _emit(
        self,
        name: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        quantization: Quantization | None,
        options: Options | None = None,
        version: int = 1,
        dtype: DType = DType.INT8,
    ) -> int:
        """Appends an operator with one new output tensor, named after the operator's place."""
        label = f"{name.lower()}_{len(self._operators)}"
        result = self.tensor(label, shape, quantization, dtype)
        self.operator(name, inputs, [result], options, version)
        return result

    # --- serialization ---------------------------------------------------------------------------

    def build(self) -> bytes:
        """The model file."""
        builder = flatbuffers.Builder(1024)
        codes = list(dict.fromkeys((op.code, op.version) for op in self._operators))
        # Buffer 0 is empty by convention and stands for "no data".
        constants = [tensor.data for tensor in self._tensors if tensor.data is not None]
        buffers = [_buffer(builder, data) for data in [None, *constants]]
        buffer_vector = _offsets(builder, tflite.ModelStartBuffersVector, buffers)
        code_tables = [_operator_code(builder, code, version) for code, version in codes]
        code_vector = _offsets(builder, tflite.ModelStartOperatorCodesVector, code_tables)
        subgraph = self._subgraph(builder, codes)
        subgraph_vector = _offsets(builder, tflite.ModelStartSubgraphsVector, [subgraph])
        description = builder.CreateString(self.description)

        tflite.ModelStart(builder)
        tflite.ModelAddVersion(builder, _SCHEMA_VERSION)
        tflite.ModelAddOperatorCodes(builder, code_vector)
        tflite.ModelAddSubgraphs(builder, subgraph_vector)
        tflite.ModelAddDescription(builder, description)
        tflite.ModelAddBuffers(builder, buffer_vector)
        builder.Finish(tflite.ModelEnd(builder), b"TFL3")
        return bytes(builder.Output())

    def _subgraph(self, builder: Any, codes: list[tuple[int, int]]) -> int:
        tensors = []
        buffer = 0
        for tensor in self._tensors:
            buffer += tensor.data is not None
            tensors.append(_tensor(builder, tensor, buffer if tensor.data is not None else 0))
        tensor_vector = _offsets(builder, tflite.SubGraphStartTensorsVector, tensors)
        operators = [
            _operator(builder, op, codes.index((op.code, op.version))) for op in self._operators
        ]
        operator_vector = _offsets(builder, tflite.SubGraphStartOperatorsVector, operators)
        inputs = _vector(builder, self._inputs, np.int32)
        outputs = _vector(builder, self._outputs, np.int32)
        name = builder.CreateString("main")
        tflite.SubGraphStart(builder)
        tflite.SubGraphAddTensors(builder, tensor_vector)
        tflite.SubGraphAddInputs(builder, inputs)
        tflite.SubGraphAddOutputs(builder, outputs)
        tflite.SubGraphAddOperators(builder, operator_vector)
        tflite.SubGraphAddName(builder, name)
        return int(tflite.SubGraphEnd(builder))


def _vector(builder: Any, values: Sequence[float], dtype: npt.DTypeLike) -> int:
    return int(builder.CreateNumpyVector(np.array(values, dtype)))


def _offsets(builder: Any, start: Any, offsets: Sequence[int]) -> int:
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _buffer(builder: Any, data: bytes | None) -> int:
    vector = None
    if data:
        builder.StartVector(1, len(data), _DATA_ALIGNMENT)
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        vector = builder.EndVector()
    tflite.BufferStart(builder)
    if vector is not None:
        tflite.BufferAddData(builder, vector)
    return int(tflite.BufferEnd(builder))


def _operator_code(builder: Any, code: int, version: int) -> int:
    tflite.OperatorCodeStart(builder)
    # Readers take the larger of the old 8-bit field (127 at most) and the new one.
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(code, 127))
    tflite.OperatorCodeAddVersion(builder, version)
    tflite.OperatorCodeAddBuiltinCode(builder, code)
    return int(tflite.OperatorCodeEnd(builder))


def _quantization(builder: Any, quantization: Quantization) -> int:
    scales = _vector(builder, quantization.scales, np.float32)
    zero_points = _vector(builder, quantization.zero_points, np.int64)
    tflite.QuantizationParametersStart(builder)
    tflite.QuantizationParametersAddScale(builder, scales)
    tflite.QuantizationParametersAddZeroPoint(builder, zero_points)
    tflite.QuantizationParametersAddQuantizedDimension(builder, quantization.axis)
    return int(tflite.QuantizationParametersEnd(builder))


def _tensor(builder: Any, tensor: _Tensor, buffer: int) -> int:
    shape = _vector(builder, tensor.shape, np.int32)
    name = builder.CreateString(tensor.name)
    quantization = tensor.quantization and _quantization(builder, tensor.quantization)
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, getattr(tflite.TensorType, tensor.dtype.name))
    tflite.TensorAddBuffer(builder, buffer)
    tflite.TensorAddName(builder, name)
    if quantization is not None:
        tflite.TensorAddQuantization(builder, quantization)
    # Distinguishes a scalar from a tensor of unknown rank.
    tflite.TensorAddHasRank(builder, True)
    return int(tflite.TensorEnd(builder))


def _options(builder: Any, options: Options) -> int:
    table = options.table
    # Vectors must be complete before the table that refers to them is started.
    values = {
        field: _vector(builder, value, np.int32) if isinstance(value, Sequence) else value
        for field, value in options.fields.items()
    }
    getattr(tflite, f"{table}Start")(builder)
    for field, value in values.items():
        getattr(tflite, f"{table}Add{field}")(builder, value)
    return int(getattr(tflite, f"{table}End")(builder))


def _operator(builder: Any, operator: _Operator, code_index: int) -> int:
    inputs = _vector(builder, operator.inputs, np.int32)
    outputs = _vector(builder, operator.outputs, np.int32)
    options = operator.options
    table = options and _options(builder, options)
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code_index)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if options is not None:
        kind = getattr(tflite.BuiltinOptions, options.table)
        tflite.OperatorAddBuiltinOptionsType(builder, kind)
        tflite.OperatorAddBuiltinOptions(builder, table)
    return int(tflite.OperatorEnd(builder))
