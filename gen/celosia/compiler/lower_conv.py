# SPDX-License-Identifier: BSD-2-Clause
"""Conv2D as CONV instructions."""

from __future__ import annotations

import numpy as np

from celosia.arithmetic import fixed_point, single_rounding
from celosia.compiler import requantize
from celosia.compiler.context import Context
from celosia.compiler.lower_matrix import Kernel, matrix_step
from celosia.compiler.step import Step
from celosia.errors import FitError
from celosia.graph.ir import Conv2D


def lower_conv(context: Context, op: Conv2D, number: int) -> list[Step]:
    source, target = context.place(op.inputs[0]), context.place(op.output)
    outputs = op.weights.shape[0]
    channels = source.layout.channels
    width = op.weights.shape[3]
    per_group = outputs // (channels // width)
    start = np.arange(outputs) // per_group * width
    kernel = Kernel(op.weights, start, op.stride, op.dilation)
    zero_point = context.quantization(op.inputs[0]).zero_point
    flat = op.weights.reshape(outputs, -1)
    bias = op.bias.astype(np.int64) - zero_point * flat.sum(axis=1, dtype=np.int64)
    low, high = requantize.accumulator_range(flat, bias)
    requantize.check_accumulator(low, high, context.config, context.describe(op))
    result = context.result_quantization(op)
    multiplier, shift = fixed_point.conv_multipliers(
        context.quantization(op.inputs[0]).scale, op.weight_scales, result.scale
    )
    found = single_rounding.find(
        multiplier, shift, low, high, result.zero_point, op.clamp, context.config.multiplier_bits
    )
    if found is None:
        raise FitError(f"{context.describe(op)}: multiplier bits")
    step = matrix_step(
        kernel,
        source.at(-op.padding.top, -op.padding.left),
        source.layout,
        target.address,
        target.layout,
        requantize.entries(bias, found),
        context.config,
        context.limits,
        number,
    )
    if step is None:
        raise FitError(f"{context.describe(op)}: kernel too large")
    step.zero_point = result.zero_point
    step.low, step.high = op.clamp
    return [step]
