# SPDX-License-Identifier: BSD-2-Clause
"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED.

Conditions: ``conv.cc``, ``depthwise_conv.cc``, ``fully_connected.cc`` and
``PopulateConvolutionQuantizationParams`` in ``kernel_util.cc`` of TensorFlow Lite, and its int8
quantization specification.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tflite

from celosia.graph.ir import (
    Conv2D,
    DepthwiseConv2D,
    DType,
    FullyConnected,
    Op,
    Padding,
    Tensor,
)
from celosia.graph.shapes import same_padding
from celosia.importer.modelfile import FileTensor
from celosia.importer.multipliers import report_accumulators, report_overflow
from celosia.importer.node import Node, quantization_of
from celosia.importer.tensors import DAMAGED_REMEDY, QUANTIZE_REMEDY

_MAX_CHANNELS = 65536
#: Memory of one channel's scale and bias as Python and numpy hold them.
_CHANNEL_BYTES = 64
#: Largest difference of bias scale and product scale, in output steps (``kernel_util.cc``).
_BIAS_SCALE_TOLERANCE = 0.02
#: A scaled sum, with a zero point still to come, must fit an int32.
_MAX_SCALED = 2.0**31 - 256


class _Weights(NamedTuple):
    values: npt.NDArray[np.int8]
    scales: tuple[float, ...]
    per_channel: bool
    bias: npt.NDArray[np.int32]
    bias_scale: float | None


def conv_2d(node: Node) -> Op:
    """CONV_2D without groups."""
    node.expect_inputs(2, 3)
    image_id, image = node.activation(rank=4)
    result_id, result = node.result(rank=4)
    weights = _weights(node, rank=4, axis=0)
    depth, channels = weights.values.shape[3], image.shape[3]
    if depth != channels:
        if channels % depth == 0:
            node.reject(
                f"grouped convolution ({channels // depth} groups) is not supported",
                "split it into one convolution for each group, or use DEPTHWISE_CONV_2D",
            )
        node.reject(f"weights for {depth} channels read {channels}", DAMAGED_REMEDY)
    stride = node.pair("StrideH", "StrideW")
    dilation = node.pair("DilationHFactor", "DilationWFactor")
    height, width = weights.values.shape[1:3]
    activation = node.fused_activation(result.quantization)
    padding = image_padding(node, image, (height, width), stride, dilation)
    sums = _check_sums(node, weights, weights.values.reshape(weights.values.shape[0], -1), image)
    _check_rescaled(node, weights, sums, image, result)
    return node.finish(
        Conv2D(
            node.index,
            [image_id],
            result_id,
            weights=weights.values,
            bias=weights.bias,
            weight_scales=weights.scales,
            stride=stride,
            dilation=dilation,
            padding=padding,
            activation=activation,
        )
    )


def depthwise_conv_2d(node: Node) -> Op:
    """DEPTHWISE_CONV_2D with any depth multiplier."""
    node.expect_inputs(2, 3)
    image_id, image = node.activation(rank=4)
    result_id, result = node.result(rank=4)
    weights = _weights(node, rank=4, axis=3)
    batch, height, width, channels = weights.values.shape
    if batch != 1 or channels % image.shape[3]:
        node.reject(
            f"weights {list(weights.values.shape)} do not go with {image.shape[3]} input channels",
            DAMAGED_REMEDY,
        )
    multiplier = channels // image.shape[3]
    stated = int(node.option("DepthMultiplier", multiplier))
    if stated != multiplier:
        node.report(f"DepthMultiplier is {stated}, the weights' is {multiplier}", DAMAGED_REMEDY)
    stride = node.pair("StrideH", "StrideW")
    dilation = node.pair("DilationHFactor", "DilationWFactor")
    activation = node.fused_activation(result.quantization)
    padding = image_padding(node, image, (height, width), stride, dilation)
    values = weights.values.reshape(height, width, channels)
    sums = _check_sums(node, weights, values.reshape(-1, channels).T, image)
    _check_rescaled(node, weights, sums, image, result)
    return node.finish(
        DepthwiseConv2D(
            node.index,
            [image_id],
            result_id,
            weights=values,
            bias=weights.bias,
            weight_scales=weights.scales,
            multiplier=multiplier,
            stride=stride,
            dilation=dilation,
            padding=padding,
            activation=activation,
        )
    )


def fully_connected(node: Node) -> Op:
    """FULLY_CONNECTED in the default weights format."""
    node.expect_inputs(2, 3)
    x_id, x = node.activation()
    result_id, result = node.result()
    weights = _weights(node, rank=2, axis=0)
    layout = int(node.option("WeightsFormat", 0))
    if layout != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
        node.report("its weights are stored shuffled", "convert the model again")
    activation = node.fused_activation(result.quantization)
    _check_scaled(node, weights, _check_sums(node, weights, weights.values, x), x, result)
    op = node.finish(
        FullyConnected(
            node.index,
            [x_id],
            result_id,
            weights=weights.values,
            bias=weights.bias,
            weight_scales=weights.scales,
            activation=activation,
            per_channel=weights.per_channel,
        )
    )
    channels, depth = weights.values.shape
    if node.option("KeepNumDims", False):
        if x.shape[-1] != depth:
            node.reject(f"rows of {x.shape[-1]} meet weights for {depth}", DAMAGED_REMEDY, x_id)
        node.expect_shape((*x.shape[:-1], channels), result_id)
    elif len(result.shape) != 2:
        node.reject(f"the result {list(result.shape)} has not 2 dimensions", DAMAGED_REMEDY)
    return op


def image_padding(
    node: Node,
    image: Tensor,
    window: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> Padding:
    """The rows and columns that SAME or VALID padding adds to an image."""
    if not node.same_padding():
        return Padding()
    _, height, width, _ = image.shape
    top, bottom = same_padding(height, window[0], stride[0], dilation[0])
    left, right = same_padding(width, window[1], stride[1], dilation[1])
    return Padding(top, bottom, left, right)


def _weights(node: Node, rank: int, axis: int) -> _Weights:
    """Weights, their scales along ``axis``, and the bias (zeros where there is none)."""
    tensor, values = node.constant(1, DType.INT8)
    if values.ndim != rank:
        node.reject(
            f"the weights {list(values.shape)} have not {rank} dimensions",
            DAMAGED_REMEDY,
            tensor.index,
        )
    channels = values.shape[axis]
    if channels > _MAX_CHANNELS:
        node.reject(f"it has {channels} output channels", "use a smaller model", tensor.index)
    node.charge(_CHANNEL_BYTES * channels)
    scales = _scales(node, tensor, channels, axis)
    per_channel = len(scales) > 1
    if not per_channel:
        scales = scales * channels
    bias, bias_scale = _bias(node, channels)
    return _Weights(values, scales, per_channel, bias, bias_scale)


def _scales(node: Node, tensor: FileTensor, channels: int, axis: int) -> tuple[float, ...]:
    """One scale, or one for each channel."""
    stored = tensor.quantization
    if stored is None or stored.custom:
        node.reject("the weights have no scales", QUANTIZE_REMEDY, tensor.index)
    count = len(stored.scales)
    if count not in (1, channels):
        node.reject(
            f"the weights have {count} scales for {channels} channels", DAMAGED_REMEDY, tensor.index
        )
    if len(stored.zero_points) not in (1, count):
        node.report(
            f"the weights have {len(stored.zero_points)} zero points and {count} scales",
            DAMAGED_REMEDY,
            tensor.index,
        )
    if np.any(stored.zero_points != 0):
        node.report(
            "the weights are asymmetric (a zero point is not 0)", QUANTIZE_REMEDY, tensor.index
        )
    if not (np.isfinite(stored.scales).all() and (stored.scales > 0).all()):
        node.reject("a scale of the weights is no positive number", QUANTIZE_REMEDY, tensor.index)
    # Old exports name a dimension that does not exist, or another one, where all scales are equal
    # or there is only one: then it does not matter.
    if stored.axis != axis and np.any(stored.scales != stored.scales[0]):
        node.report(
            f"the weights' scales run along dimension {stored.axis} instead of {axis}",
            DAMAGED_REMEDY,
            tensor.index,
        )
    return tuple(stored.scales.tolist())


def _bias(node: Node, channels: int) -> tuple[npt.NDArray[np.int32], float | None]:
    """The bias and its first scale; zeros and None where there is no bias.

    The kernels compute with the product of the other scales, so that the bias's own quantization
    only has to have zero points of 0; old exports give it a dimension that does not exist.
    """
    if node.input_index(2) is None:
        return np.zeros(channels, np.int32), None
    tensor, values = node.constant(2, DType.INT32)
    if values.size != channels:
        node.reject(
            f"the bias has {values.size} elements for {channels} channels",
            DAMAGED_REMEDY,
            tensor.index,
        )
    stored = tensor.quantization
    if stored is not None and np.any(stored.zero_points != 0):
        node.report("a zero point of the bias is not 0", DAMAGED_REMEDY, tensor.index)
    scale = 0.0 if stored is None else float(stored.scales[0])
    return values.reshape(channels).astype(np.int32), scale


def _check_sums(
    node: Node, weights: _Weights, rows: npt.NDArray[np.int8], x: Tensor
) -> npt.NDArray[np.int64]:
    """Greatest magnitude of each channel's sum; reports sums that leave 32 bits.

    ``rows`` are (out, products in a sum).
    """
    zero_point = quantization_of(x).zero_point
    positive = np.maximum(rows, 0).sum(axis=1, dtype=np.int64)
    negative = np.minimum(rows, 0).sum(axis=1, dtype=np.int64)
    above, below = 127 - zero_point, -128 - zero_point
    bare_low = positive * below + negative * above
    bare_high = positive * above + negative * below
    bias = weights.bias.astype(np.int64)
    low, high = bare_low + bias, bare_high + bias
    # The bias comes last, so both the bare sums and those with it must fit.
    report_accumulators(
        node, np.minimum(low, bare_low), np.maximum(high, bare_high), node.operator.inputs[1]
    )
    magnitudes: npt.NDArray[np.int64] = np.maximum(-low, high)
    return magnitudes


def _factors(weights: _Weights, x: Tensor, result: Tensor) -> npt.NDArray[np.float64]:
    """What the reference scales each channel's sum by."""
    scales = quantization_of(x).scale * np.array(weights.scales, np.float64)
    return scales / quantization_of(result).scale


def _check_rescaled(
    node: Node, weights: _Weights, sums: npt.NDArray[np.int64], x: Tensor, result: Tensor
) -> None:
    """Reports sums that convolutions cannot rescale in fixed point."""
    report_overflow(node, _factors(weights, x, result), sums, node.operator.outputs[0])


def _check_scaled(
    node: Node, weights: _Weights, sums: npt.NDArray[np.int64], x: Tensor, result: Tensor
) -> None:
    """Reports what FULLY_CONNECTED, which scales in floating point, does not accept or define."""
    if (_factors(weights, x, result) * sums).max() > _MAX_SCALED:
        node.report(
            "a scaled sum overflows the 32 bits of the reference",
            QUANTIZE_REMEDY,
            node.operator.outputs[0],
        )
    product = quantization_of(x).scale * weights.scales[0]
    if weights.per_channel or weights.bias_scale is None:
        return
    step = quantization_of(result).scale
    difference = abs(product - weights.bias_scale)
    if difference / step <= _BIAS_SCALE_TOLERANCE:
        return
    if difference <= product * np.finfo(np.float32).eps:
        # Any rounding of the bias's scale is too much for such steps.
        node.report(
            f"the output's scale {step:g} is too small for a product of the input's and the "
            f"weights' scales of {product:g}",
            QUANTIZE_REMEDY,
            node.operator.outputs[0],
        )
    else:
        node.report(
            f"the bias's scale {weights.bias_scale:.9g} is not input scale times weight scale, "
            f"{product:.9g}",
            DAMAGED_REMEDY,
            node.input_index(2),
        )
