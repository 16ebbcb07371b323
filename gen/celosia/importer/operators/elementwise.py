# SPDX-License-Identifier: BSD-2-Clause
"""ADD, the one-input functions, SOFTMAX, QUANTIZE and DEQUANTIZE.

Conditions: ``add.cc``, ``activations.cc``, ``quantize.cc`` and ``dequantize.cc`` of TensorFlow
Lite, and its int8 quantization specification for the quantization of LOGISTIC and TANH.
"""

from __future__ import annotations

import math

import numpy as np

from celosia.arithmetic.add import sum_factor
from celosia.graph.ir import (
    Add,
    Dequantize,
    DType,
    Elementwise,
    Function,
    Op,
    Quantize,
    Softmax,
    TensorId,
)
from celosia.graph.rules import FIXED_OUTPUT, SOFTMAX_OUTPUT, is_softmax_output
from celosia.importer.multipliers import RESCALE_REMEDY, left_shifts, report_overflow
from celosia.importer.node import Node, quantization_of
from celosia.importer.tensors import CONSTANT_REMEDY, QUANTIZE_REMEDY

#: Fraction bits of SOFTMAX's differences, and elements whose exponentials its sum has room for.
_SOFTMAX_FRACTION_BITS = 26
_SOFTMAX_ELEMENTS = 4095


def add(node: Node) -> Op:
    """ADD of two tensors of the same shape, or of a tensor and a constant that broadcasts to it."""
    node.expect_inputs(2, 2)
    result_id, result = node.result()
    if not node.is_constant(0):
        first, a = node.activation(0)
        second = node.constant_tensor(1) if node.is_constant(1) else node.activation(1)[0]
    elif not node.is_constant(1):
        # The kernel treats both operands alike, so that a constant may come second.
        first, a = node.activation(1)
        second = node.constant_tensor(0)
    else:
        node.reject("both of its inputs are constants, which are not folded", CONSTANT_REMEDY)
    b = node.tensor(second)
    if b.data is None and b.shape != a.shape:
        node.reject(
            f"adding tensors of shapes {list(a.shape)} and {list(b.shape)} is not supported",
            "make their shapes equal; only a constant may broadcast",
        )
    activation = node.fused_activation(result.quantization)
    scales = [quantization_of(tensor).scale for tensor in (a, b, result)]
    factor = sum_factor(*scales)
    if factor == 0 or left_shifts(np.array([factor]))[0] > 0:
        larger, total = max(scales[:2]), scales[2]
        node.report(
            f"TensorFlow Lite aborts on it: its output's scale {total:g} "
            + ("is beyond 2^108" if factor == 0 else f"is not above {larger:g} / 2^19"),
            RESCALE_REMEDY,
            result_id,
        )
    return node.finish(Add(node.index, [first, second], result_id, activation=activation))


def logistic(node: Node) -> Op:
    """LOGISTIC."""
    return _elementwise(node, Function.LOGISTIC)


def tanh(node: Node) -> Op:
    """TANH."""
    return _elementwise(node, Function.TANH)


def relu(node: Node) -> Op:
    """RELU as an operator of its own."""
    return _elementwise(node, Function.RELU)


def relu6(node: Node) -> Op:
    """RELU6 as an operator of its own."""
    return _elementwise(node, Function.RELU6)


def relu_n1_to_1(node: Node) -> Op:
    """RELU_N1_TO_1 as an operator of its own."""
    return _elementwise(node, Function.RELU_N1_TO_1)


def leaky_relu(node: Node) -> Op:
    """LEAKY_RELU with a slope that is not negative."""
    alpha = float(node.option("Alpha", 0.0))
    if not (math.isfinite(alpha) and alpha >= 0):
        node.reject(f"the slope {alpha:g} is not supported", "use a slope of 0 or more")
    return _elementwise(node, Function.LEAKY_RELU, alpha)


def hard_swish(node: Node) -> Op:
    """HARD_SWISH."""
    return _elementwise(node, Function.HARD_SWISH)


def _elementwise(node: Node, function: Function, alpha: float = 0.0) -> Op:
    node.expect_inputs(1, 1)
    x_id, x = node.activation()
    result_id, result = node.result()
    source, target = quantization_of(x), quantization_of(result)
    fixed = FIXED_OUTPUT.get(function)
    if fixed is not None:
        if (target.scale, target.zero_point) != fixed:
            node.report(
                f"its output has scale {target.scale:g} and zero point {target.zero_point} instead "
                f"of {fixed[0]} and {fixed[1]}",
                QUANTIZE_REMEDY,
                result_id,
            )
    elif function is Function.HARD_SWISH:
        _check_hard_swish(node, source.scale, target.scale, result_id)
    else:
        _check_rescaling(node, source.scale, target.scale, alpha, result_id)
    return node.finish(Elementwise(node.index, [x_id], result_id, function=function, alpha=alpha))


def _check_rescaling(
    node: Node, source: float, target: float, alpha: float, result: TensorId
) -> None:
    factor = source / target
    factors = np.array([factor, factor * alpha])
    report_overflow(node, factors, np.array([255, 255]), result)


def _check_hard_swish(node: Node, source: float, target: float, result: TensorId) -> None:
    # The kernel computes the factor in float32 and wants it to be below 1.
    with np.errstate(over="ignore", under="ignore"):
        factor = np.float32(1 / 128) * np.float32(source) / np.float32(target)
    if not np.isfinite(factor) or left_shifts(np.array([factor], np.float64))[0] > 0:
        node.report(
            "the output's scale is too small for the input's scale", QUANTIZE_REMEDY, result
        )


def softmax(node: Node) -> Op:
    """SOFTMAX over the last axis."""
    node.expect_inputs(1, 1)
    x_id, x = node.activation()
    result_id, result = node.result()
    target = quantization_of(result)
    if not is_softmax_output(target):
        node.report(
            f"its output has scale {target.scale:g} and zero point {target.zero_point} instead of "
            f"{SOFTMAX_OUTPUT[0]} and {SOFTMAX_OUTPUT[1]}",
            QUANTIZE_REMEDY,
            result_id,
        )
    beta = float(node.option("Beta", 0.0))
    # The kernel requires a multiplier above 1.
    multiplier = beta * quantization_of(x).scale * 2.0**_SOFTMAX_FRACTION_BITS
    if not (math.isfinite(beta) and multiplier > 1):
        node.report(
            f"beta {beta:g} with the input's scale {quantization_of(x).scale:g} is out of range",
            QUANTIZE_REMEDY,
        )
    if x.shape[-1] > _SOFTMAX_ELEMENTS:
        node.report(
            f"{x.shape[-1]} elements overflow the reference's sum",
            f"use at most {_SOFTMAX_ELEMENTS} classes",
        )
    return node.finish(Softmax(node.index, [x_id], result_id, beta=beta))


def quantize(node: Node) -> Op:
    """QUANTIZE from float32 to 8 bits, or from one 8-bit quantization to another."""
    node.expect_inputs(1, 1)
    x_id, x = node.activation(dtypes=(DType.INT8, DType.UINT8, DType.FLOAT32))
    result_id, result = node.result(dtypes=(DType.INT8, DType.UINT8))
    if x.dtype is DType.FLOAT32:
        return node.finish(Quantize(node.index, [x_id], result_id))
    if x.dtype is DType.UINT8 and result.dtype is DType.UINT8:
        node.reject("UINT8 inside of the model is not supported", QUANTIZE_REMEDY, result_id)
    _check_rescaling(node, quantization_of(x).scale, quantization_of(result).scale, 0.0, result_id)
    return node.finish(Elementwise(node.index, [x_id], result_id, function=Function.REQUANTIZE))


def dequantize(node: Node) -> Op:
    """DEQUANTIZE from 8 bits to float32."""
    node.expect_inputs(1, 1)
    x_id, _ = node.activation(dtypes=(DType.INT8, DType.UINT8))
    result_id, _ = node.result(dtypes=(DType.FLOAT32,))
    return node.finish(Dequantize(node.index, [x_id], result_id))
