# SPDX-License-Identifier: BSD-2-Clause
"""The network in floating point: a function of its parameters that autograd differentiates.

==============  ===========  ======================================
layer           output       what it is
==============  ===========  ======================================
stem            8 x 8 x 16   convolution 3 x 3, ReLU
depthwise       8 x 8 x 16   depthwise convolution 3 x 3, ReLU
pointwise       8 x 8 x 16   convolution 1 x 1
residual        8 x 8 x 16   stem + pointwise, ReLU
max_pool        4 x 4 x 16   maximum of 2 x 2
widen           4 x 4 x 32   convolution 3 x 3, ReLU
average_pool    2 x 2 x 32   mean of 2 x 2
logits          10           fully connected
==============  ===========  ======================================
"""

from __future__ import annotations

from typing import Any, TypeAlias

import autograd.numpy as np
import numpy
from autograd.extend import defvjp, primitive

#: Weights as TensorFlow Lite orders them, and biases (with the suffix _bias), by layer.
Parameters: TypeAlias = dict[str, Any]

_SHAPES = {
    "stem": (16, 3, 3, 1),
    "depthwise": (1, 3, 3, 16),
    "pointwise": (16, 1, 1, 16),
    "widen": (32, 3, 3, 16),
    "logits": (10, 128),
}
#: Rows and columns of a 3 x 3 kernel.
_TAPS = [(i, j) for i in range(3) for j in range(3)]


def initial_parameters(random: Any) -> Parameters:
    """He-initialized weights and zero biases from a numpy random generator."""
    parameters: Parameters = {}
    for layer, shape in _SHAPES.items():
        fan_in = 9 if layer == "depthwise" else int(np.prod(shape[1:]))
        weights = random.normal(0.0, np.sqrt(2.0 / fan_in), shape)
        parameters[layer] = weights.astype(np.float32)
        channels = shape[-1] if layer == "depthwise" else shape[0]
        parameters[f"{layer}_bias"] = np.zeros(channels, np.float32)
    return parameters


def activations(parameters: Parameters, images: Any) -> dict[str, Any]:
    """The output of every layer for images of shape (n, 8, 8, 1)."""
    out = {}
    out["stem"] = _relu(_convolution(images, parameters, "stem"))
    out["depthwise"] = _relu(_depthwise(out["stem"], parameters, "depthwise"))
    out["pointwise"] = _convolution(out["depthwise"], parameters, "pointwise")
    out["residual"] = _relu(out["stem"] + out["pointwise"])
    out["max_pool"] = np.max(_blocks(out["residual"]), axis=(2, 4))
    out["widen"] = _relu(_convolution(out["max_pool"], parameters, "widen"))
    out["average_pool"] = np.mean(_blocks(out["widen"]), axis=(2, 4))
    flat = np.reshape(out["average_pool"], (len(images), -1))
    out["logits"] = np.dot(flat, parameters["logits"].T) + parameters["logits_bias"]
    return out


def cross_entropy(parameters: Parameters, images: Any, labels: Any) -> Any:
    """The mean of -log(probability of the right digit)."""
    logits = activations(parameters, images)["logits"]
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(shifted), axis=1))
    return np.mean(log_sum - shifted[np.arange(len(labels)), labels])


def _relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def _blocks(x: Any) -> Any:
    """Non-overlapping 2 x 2 windows along axes 2 and 4."""
    n, height, width, channels = x.shape
    return np.reshape(x, (n, height // 2, 2, width // 2, 2, channels))


def _windows_of(x: Any) -> Any:
    """The 3 x 3 pixels around each pixel, zeros outside of the image: (n, height, width, 9, c)."""
    padded = numpy.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    return numpy.stack([padded[:, i : i + height, j : j + width] for i, j in _TAPS], axis=3)


def _windows_gradient(_: Any, x: Any) -> Any:
    # Autograd's own gradient of nine slices would make nine arrays of zeros and add them.
    n, height, width, channels = x.shape

    def gradient(slope: Any) -> Any:
        padded = numpy.zeros((n, height + 2, width + 2, channels), slope.dtype)
        for tap, (i, j) in enumerate(_TAPS):
            padded[:, i : i + height, j : j + width] += slope[:, :, :, tap]
        return padded[:, 1:-1, 1:-1]

    return gradient


_windows = primitive(_windows_of)
defvjp(_windows, _windows_gradient)


def _convolution(x: Any, parameters: Parameters, layer: str) -> Any:
    weights = parameters[layer]
    taps = x if weights.shape[1] == 1 else _windows(x)
    columns = np.reshape(taps, (*x.shape[:3], -1))
    return np.dot(columns, np.reshape(weights, (len(weights), -1)).T) + parameters[f"{layer}_bias"]


def _depthwise(x: Any, parameters: Parameters, layer: str) -> Any:
    weights = np.reshape(parameters[layer], (9, -1))
    return np.sum(_windows(x) * weights, axis=3) + parameters[f"{layer}_bias"]
