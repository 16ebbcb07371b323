# SPDX-License-Identifier: BSD-2-Clause
"""ADD, functions of one value, tables, changes between float and 8 bits, SOFTMAX."""

from __future__ import annotations

import numpy as np

from celosia.arithmetic.add import add_operands
from celosia.arithmetic.fixed_point import INTEGER_RANGES, round_half_away
from celosia.arithmetic.functions import function_table
from celosia.arithmetic.softmax import softmax as softmax_int8
from celosia.graph.ir import Add, Array, Dequantize, Elementwise, Lookup, Op, Quantize, Softmax
from celosia_sim.reference.node import Kernel, Node, is_int8, look_up


def add(op: Add, node: Node) -> Array:
    operands = add_operands(
        node.input_quantization(0),
        node.input_quantization(1),
        node.result_quantization,
        op.activation,
    )
    total = operands(node.input(0).astype(np.int8), node.input(1).astype(np.int8))
    return node.finish(np.clip(total, *node.clamp()))


def elementwise(op: Elementwise, node: Node) -> Array:
    source = node.tensor().dtype
    table = function_table(
        op.function,
        node.input_quantization(),
        node.result_quantization,
        alpha=op.alpha,
        input_dtype=source,
        output_dtype=node.output.dtype,
    )
    result = table[node.input().astype(np.intp) - INTEGER_RANGES[source][0]]
    if not is_int8(node.output):
        return result  # a change to uint8 has neither a clamp nor an epilogue
    return node.finish(np.clip(result, *node.clamp()).astype(np.int8))


def lookup(op: Lookup, node: Node) -> Array:
    return node.finish(np.clip(look_up(op.values, node.input()), *node.clamp()))


def quantize(op: Quantize, node: Node) -> Array:
    """round(x / scale) + zero point in single precision, halves away from zero, then a clamp."""
    quantization = node.output_quantization
    low, high = INTEGER_RANGES[node.output.dtype]
    quotient = node.input().astype(np.float32) / np.float32(quantization.scale)
    rounded = round_half_away(quotient).astype(np.float64) + quantization.zero_point
    return np.clip(rounded, low, high).astype(node.output.dtype.numpy)


def dequantize(op: Dequantize, node: Node) -> Array:
    """scale * (x - zero point), rounded to single precision once."""
    quantization = node.input_quantization()
    centred = node.input().astype(np.float64) - quantization.zero_point
    return (quantization.scale * centred).astype(np.float32)


def softmax(op: Softmax, node: Node) -> Array:
    x = node.input().astype(np.int8)
    return softmax_int8(x, node.input_quantization().scale, op.beta)


KERNELS: dict[type[Op], Kernel] = {
    Add: add,
    Elementwise: elementwise,
    Lookup: lookup,
    Quantize: quantize,
    Dequantize: dequantize,
    Softmax: softmax,
}
