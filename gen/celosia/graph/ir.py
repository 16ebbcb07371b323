# SPDX-License-Identifier: BSD-2-Clause
"""The quantized graph: tensors with exact quantization parameters, and typed operations on them.

Every activation is an 8-bit tensor in NHWC order with batch 1, or has fewer dimensions, of which
the last one is the channel axis. Operations name tensors by integer identifiers; the list of
operations is in execution order. An operation means exactly what the TensorFlow Lite operator of
that name means (int8 specification, reference kernels): nothing is rounded away by importing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

TensorId: TypeAlias = int
Array: TypeAlias = npt.NDArray[np.generic]


class DType(Enum):
    """Element types that a graph may hold."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        return np.dtype(self.value)


@dataclass(frozen=True)
class Quantization:
    """Affine quantization: real = scale * (quantized - zero_point).

    ``scales`` are the file's float32 values (kept as Python floats, without rounding); one entry
    means per-tensor, more mean one entry for each index along ``axis``.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scales) > 1

    @property
    def scale(self) -> float:
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        return self.zero_points[0]


@dataclass
class Tensor:
    """A tensor: constant where ``data`` is given, else computed or an input."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None = None
    data: Array | None = None


class Activation(Enum):
    """Fused activation functions of TensorFlow Lite that clamp."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    RELU_N1_TO_1 = "relu_n1_to_1"


@dataclass(frozen=True)
class Padding:
    """Rows and columns added around an image, all >= 0."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


# --- epilogues: what may follow in the same pass over the data, before an output is stored -------


@dataclass(frozen=True)
class Table:
    """Replaces the operation's int8 result y by ``values[y + 128]``; ``values`` has 256 int8.

    ``inner`` is the quantization of the result y (the tensor that vanished); None stands for that
    of the operation's output.
    """

    values: tuple[int, ...]
    inner: Quantization | None = None
    inner_name: str = ""


@dataclass(frozen=True)
class ResidualAdd:
    """Adds another tensor to the operation's int8 result, as the ADD operator would.

    ``inner`` is the quantization of the result before the addition (the tensor that vanished);
    ``result_first`` tells which operand of ADD it was.
    """

    other: TensorId
    inner: Quantization
    activation: Activation
    result_first: bool
    add_index: int
    inner_name: str


Epilogue: TypeAlias = Table | ResidualAdd


# --- operations ----------------------------------------------------------------------------------


@dataclass
class Op:
    """Base of all operations. ``index`` is the operator's number in the model file."""

    index: int
    inputs: list[TensorId]
    output: TensorId

    @property
    def kind(self) -> str:
        return type(self).__name__


@dataclass
class ArrayOp(Op):
    """An operation whose int8 results may be followed by an epilogue."""

    epilogue: Epilogue | None = field(default=None, kw_only=True)
    #: Narrowest int8 clamp of the operation's own result (before any epilogue).
    clamp: tuple[int, int] = field(default=(-128, 127), kw_only=True)


@dataclass
class Conv2D(ArrayOp):
    """inputs: [image]; weights int8 (out, kh, kw, in), bias int32 (out) or int64-safe.

    ``weights`` and ``bias`` are constants held in the operation, as passes rewrite them.
    ``weight_scales`` has one entry per output channel (per-tensor scales are repeated).
    """

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    weight_scales: tuple[float, ...]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    activation: Activation


@dataclass
class DepthwiseConv2D(ArrayOp):
    """inputs: [image]; weights int8 (kh, kw, out) with out = in * multiplier, output channel
    c reads input channel c // multiplier."""

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    weight_scales: tuple[float, ...]
    multiplier: int
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    activation: Activation


@dataclass
class FullyConnected(ArrayOp):
    """inputs: [x]; weights int8 (out, in). x is read as (-1, in); the output is (..., out).

    ``per_channel`` tells whether the file has a scale for each output channel.

    The reference kernel scales in floating point, unlike any other: the result is round(acc * f),
    halves away from zero, with f = input scale * weight scale / output scale, all in double
    precision (``reference/integer_ops/fully_connected.h`` of LiteRT). TensorFlow Lite up to 2.19
    and TensorFlow Lite Micro use the fixed-point arithmetic of CONV_2D instead, where f's product
    is rounded to float32 first unless ``per_channel`` holds.
    """

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    weight_scales: tuple[float, ...]
    activation: Activation
    per_channel: bool = field(default=False, kw_only=True)


@dataclass
class AveragePool2D(ArrayOp):
    """Mean over the valid elements of a window; rounds half away from zero."""

    window: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    activation: Activation


@dataclass
class MaxPool2D(ArrayOp):
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    activation: Activation


@dataclass
class Mean(ArrayOp):
    """MEAN over height and width of a 4-dimensional image."""

    keep_dims: bool


@dataclass
class Add(ArrayOp):
    """inputs: [a, b]; b may be a constant that broadcasts to a's shape."""

    activation: Activation


@dataclass
class Pad(Op):
    """Constant padding with the zero point, ``amounts[axis] = (before, after)``."""

    amounts: tuple[tuple[int, int], ...]


@dataclass
class Reshape(Op):
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the same bytes under another shape."""


@dataclass
class Concatenation(Op):
    """Along ``axis`` (non-negative); all inputs share the output's quantization."""

    axis: int


@dataclass
class Softmax(Op):
    beta: float


class Function(Enum):
    """One-input functions of an 8-bit value."""

    LOGISTIC = "logistic"
    TANH = "tanh"
    RELU = "relu"
    RELU6 = "relu6"
    RELU_N1_TO_1 = "relu_n1_to_1"
    LEAKY_RELU = "leaky_relu"
    HARD_SWISH = "hard_swish"
    REQUANTIZE = "requantize"  # QUANTIZE between 8-bit types


@dataclass
class Elementwise(ArrayOp):
    """output = function(input), element by element; ``alpha`` belongs to LEAKY_RELU."""

    function: Function
    alpha: float = 0.0


@dataclass
class Lookup(ArrayOp):
    """output = values[input + 128]: an Elementwise (or an Add with a scalar) as a table."""

    values: tuple[int, ...]


@dataclass
class Quantize(Op):
    """float32 to int8 or uint8."""


@dataclass
class Dequantize(Op):
    """int8 or uint8 to float32."""


@dataclass
class Graph:
    """A network. ``tensors`` maps identifiers to tensors; ``ops`` is in execution order."""

    name: str
    tensors: dict[TensorId, Tensor]
    ops: list[Op]
    inputs: list[TensorId]
    outputs: list[TensorId]

    def producer(self, tensor: TensorId) -> Op | None:
        """The operation that computes ``tensor``, or None for an input or a constant."""
        for op in self.ops:
            if op.output == tensor:
                return op
        return None

    def consumers(self, tensor: TensorId) -> list[Op]:
        """The operations that read ``tensor``, in order, residual operands included."""
        return [op for op in self.ops if reads(op, tensor)]


def result_quantization(graph: Graph, op: Op) -> Quantization | None:
    """Quantization of the operation's own result, before its epilogue if it has one."""
    if isinstance(op, ArrayOp) and op.epilogue is not None and op.epilogue.inner is not None:
        return op.epilogue.inner
    return graph.tensors[op.output].quantization


def reads(op: Op, tensor: TensorId) -> bool:
    """Whether ``tensor`` is one of the operation's operands."""
    if tensor in op.inputs:
        return True
    epilogue = getattr(op, "epilogue", None)
    return isinstance(epilogue, ResidualAdd) and epilogue.other == tensor


def operands(op: Op) -> list[TensorId]:
    """All tensors that ``op`` reads: its inputs, and the other operand of a residual add."""
    extra = []
    if isinstance(op, ArrayOp) and isinstance(op.epilogue, ResidualAdd):
        extra.append(op.epilogue.other)
    return [*op.inputs, *extra]
