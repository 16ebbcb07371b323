# SPDX-License-Identifier: BSD-2-Clause
"""Checks on single operations: attributes, weights, element types, quantization, shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import singledispatchmethod
from typing import Any

import numpy as np

from celosia.graph.ir import (
    Activation,
    Add,
    ArrayOp,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    DType,
    Elementwise,
    FullyConnected,
    Function,
    Graph,
    Lookup,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Padding,
    Quantization,
    Quantize,
    Reshape,
    ResidualAdd,
    Softmax,
    Table,
    Tensor,
    result_quantization,
)
from celosia.graph.rules import (
    FIXED_OUTPUT,
    is_same,
    is_same_for_pooling,
    is_softmax_output,
    is_valid,
)
from celosia.graph.shapes import ShapeError, broadcasts_to, result_shape

_INT8 = (DType.INT8,)
_EIGHT_BITS = (DType.INT8, DType.UINT8)
_FLOAT = (DType.FLOAT32,)


class OpChecker:
    """Looks for a reason why an operation of a graph is malformed.

    Its operands and result must exist in the graph.
    """

    def __init__(self, graph: Graph, op: Op) -> None:
        self._graph = graph
        self._op = op
        self._inputs = [graph.tensors[index] for index in op.inputs]
        self._result = graph.tensors[op.output]

    def problem(self) -> str | None:
        """The first reason, None if all is well."""
        return next((reason for reason in self._problems() if reason), None)

    def _problems(self) -> Iterator[str | None]:
        op = self._op
        yield _count_problem(op, len(self._inputs))
        yield from self._types(op)
        yield from self._attributes(op)
        if isinstance(op, ArrayOp):
            yield _clamp_problem(op.clamp)
            yield self._epilogue_problem(op)
        try:
            expected = result_shape(op, [x.shape for x in self._inputs], self._result.shape)
        except ShapeError as error:
            yield str(error)
        else:
            if expected != self._result.shape:
                yield f"its result has the shape {self._result.shape} instead of {expected}"

    @property
    def _own(self) -> Quantization:
        """Quantization of the operation's own result, before any epilogue."""
        quantization = result_quantization(self._graph, self._op)
        assert quantization is not None
        return quantization

    # --- element types ---------------------------------------------------------------------------

    def _types(self, op: Op) -> Iterator[str | None]:
        sources: tuple[DType, ...] = _INT8
        results: tuple[DType, ...] = _INT8
        if isinstance(op, Quantize):
            sources, results = _FLOAT, _EIGHT_BITS
        elif isinstance(op, Dequantize):
            sources, results = _EIGHT_BITS, _FLOAT
        elif isinstance(op, Elementwise) and op.function is Function.REQUANTIZE:
            sources, results = _EIGHT_BITS, _EIGHT_BITS
        for position, x in enumerate(self._inputs):
            if x.dtype not in sources:
                yield f"its input {position} is {x.dtype.name}"
            if x.data is not None and not (isinstance(op, Add) and position == 1):
                yield f"its input {position} is a constant"
        if self._result.dtype not in results:
            yield f"its result is {self._result.dtype.name}"

    # --- attributes ------------------------------------------------------------------------------

    @singledispatchmethod
    def _attributes(self, op: Op) -> Iterator[str | None]:
        yield f"{op.kind} is no known operation"

    @_attributes.register
    def _(self, op: Conv2D) -> Iterator[str | None]:
        yield _weights_problem(op, 4, 0)
        yield _window_problem(op.weights.shape[1:3], op.stride, op.dilation, op.padding)
        yield _activation_problem(op.activation)

    @_attributes.register
    def _(self, op: DepthwiseConv2D) -> Iterator[str | None]:
        yield _weights_problem(op, 3, 2)
        yield _window_problem(op.weights.shape[:2], op.stride, op.dilation, op.padding)
        yield _activation_problem(op.activation)
        if op.multiplier < 1:
            yield f"its depth multiplier is {op.multiplier}"

    @_attributes.register
    def _(self, op: FullyConnected) -> Iterator[str | None]:
        yield _weights_problem(op, 2, 0)
        yield _activation_problem(op.activation)
        if not op.per_channel and len(set(op.weight_scales)) != 1:
            yield "its weight scales differ, but it is not per channel"

    @_attributes.register(AveragePool2D)
    @_attributes.register(MaxPool2D)
    def _(self, op: AveragePool2D | MaxPool2D) -> Iterator[str | None]:
        yield _window_problem(op.window, op.stride, (1, 1), op.padding)
        yield _activation_problem(op.activation)
        # Each window must have a valid element: there is nothing to take the mean or maximum of.
        sides = (
            (op.padding.top, op.padding.bottom, op.window[0]),
            (op.padding.left, op.padding.right, op.window[1]),
        )
        if any(max(before, after) >= window for before, after, window in sides):
            yield f"a window {op.window} lies in the padding {op.padding}"
        if not is_same_for_pooling(_quantization(self._inputs[0]), self._own):
            yield "its input and result differ in quantization"

    @_attributes.register
    def _(self, op: Mean) -> Iterator[str | None]:
        yield None

    @_attributes.register
    def _(self, op: Add) -> Iterator[str | None]:
        yield _activation_problem(op.activation)
        a, b = self._inputs
        if b.data is None and a.shape != b.shape:
            yield f"its inputs have the shapes {a.shape} and {b.shape}"

    @_attributes.register
    def _(self, op: Pad) -> Iterator[str | None]:
        if any(amount < 0 for pair in op.amounts for amount in pair):
            yield f"its amounts are {op.amounts}"
        yield self._same_quantization()

    @_attributes.register(Reshape)
    @_attributes.register(Concatenation)
    def _(self, op: Reshape | Concatenation) -> Iterator[str | None]:
        yield self._same_quantization()

    @_attributes.register
    def _(self, op: Softmax) -> Iterator[str | None]:
        if not (math.isfinite(op.beta) and op.beta > 0):
            yield f"beta is {op.beta}"
        if not is_softmax_output(_quantization(self._result)):
            yield f"its result has the quantization {self._result.quantization}"

    @_attributes.register
    def _(self, op: Elementwise) -> Iterator[str | None]:
        if not isinstance(op.function, Function):
            yield f"its function is {op.function!r}"
        if not (math.isfinite(op.alpha) and op.alpha >= 0):
            yield f"alpha is {op.alpha}"
        fixed = FIXED_OUTPUT.get(op.function)
        if fixed is not None and (self._own.scale, self._own.zero_point) != fixed:
            yield f"its result has the quantization {self._own}"

    @_attributes.register
    def _(self, op: Lookup) -> Iterator[str | None]:
        yield _table_problem(op.values)

    @_attributes.register(Quantize)
    @_attributes.register(Dequantize)
    def _(self, op: Quantize | Dequantize) -> Iterator[str | None]:
        yield None

    def _same_quantization(self) -> str | None:
        result = _quantization(self._result)
        if all(is_same(_quantization(x), result) for x in self._inputs):
            return None
        return "its inputs and result differ in quantization"

    # --- epilogues -------------------------------------------------------------------------------

    def _epilogue_problem(self, op: ArrayOp) -> str | None:
        epilogue = op.epilogue
        if epilogue is None:
            return None
        if not isinstance(epilogue, Table | ResidualAdd):
            return f"its epilogue is {epilogue!r}"
        if epilogue.inner is not None and not is_valid(epilogue.inner, DType.INT8):
            return f"its own result has the quantization {epilogue.inner}"
        if isinstance(epilogue, Table):
            return _table_problem(epilogue.values)
        other = self._graph.tensors[epilogue.other]
        if self._result.dtype is not DType.INT8 or other.dtype is not DType.INT8:
            return "its residual add is not of INT8 tensors"
        if other.shape != self._result.shape and (
            other.data is None or not broadcasts_to(other.shape, self._result.shape)
        ):
            return f"its residual add is of shapes {self._result.shape} and {other.shape}"
        return _activation_problem(epilogue.activation)


def _quantization(tensor: Tensor) -> Quantization:
    """The quantization of an 8-bit tensor; those have been checked to have one."""
    assert tensor.quantization is not None
    return tensor.quantization


def _count_problem(op: Op, count: int) -> str | None:
    if isinstance(op, Concatenation):
        return None if count else "it has no inputs"
    wanted = 2 if isinstance(op, Add) else 1
    return None if count == wanted else f"it has {count} inputs instead of {wanted}"


def _weights_problem(
    op: Conv2D | DepthwiseConv2D | FullyConnected, rank: int, axis: int
) -> str | None:
    weights, bias = op.weights, op.bias
    if weights.dtype != np.int8 or weights.ndim != rank or not weights.size:
        return f"its weights are {weights.dtype.name}{list(weights.shape)}"
    channels = weights.shape[axis]
    if bias.dtype not in (np.int32, np.int64) or bias.shape != (channels,):
        return f"its bias is {bias.dtype.name}{list(bias.shape)} for {channels} channels"
    scales = op.weight_scales
    if len(scales) != channels:
        return f"it has {len(scales)} weight scales for {channels} channels"
    if not all(math.isfinite(scale) and scale > 0 for scale in scales):
        return "a weight scale is no positive number"
    return None


def _window_problem(
    window: tuple[int, ...],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: Padding,
) -> str | None:
    if min(*window, *stride, *dilation) < 1:
        return f"its window is {window} with stride {stride} and dilation {dilation}"
    if min(padding.top, padding.bottom, padding.left, padding.right) < 0:
        return f"its padding is {padding}"
    return None


def _activation_problem(activation: Any) -> str | None:
    return None if isinstance(activation, Activation) else f"its activation is {activation!r}"


def _clamp_problem(clamp: tuple[int, int]) -> str | None:
    low, high = clamp
    return None if -128 <= low <= high <= 127 else f"its clamp is {clamp}"


def _table_problem(values: tuple[int, ...]) -> str | None:
    if len(values) != 256 or not all(-128 <= value <= 127 for value in values):
        return "its table is not of 256 int8 values"
    return None
