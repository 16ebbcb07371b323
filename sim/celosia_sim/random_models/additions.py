# SPDX-License-Identifier: BSD-2-Clause
"""Random additions: quantizations of two operands and the sum, an activation; models with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celosia.arithmetic.add_tables import add_tables
from celosia.arithmetic.fixed_point import clamp_range
from celosia.graph.ir import Activation, Quantization
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

Addition = tuple[Quantization, Quantization, Quantization, Activation]

_ACTIVATIONS = (Activation.NONE, Activation.RELU, Activation.RELU6)


def random_addition(rng: np.random.Generator) -> Addition:
    """Equal scales, powers of two times each other, or any, up to 10^4 apart.

    The reference may refuse it: not if the larger input scale is below 2^19 output scales.
    """
    first = float(np.exp(rng.uniform(-8, 4)))
    match rng.integers(6):
        case 0:
            scales = first, first, first
        case 1:
            scales = first, first, first * 2.0 ** rng.integers(-4, 5)
        case 2:
            scales = first, first * 2.0 ** rng.integers(-8, 9), first * 2.0 ** rng.integers(-4, 5)
        case 3:
            second = first * 10 ** rng.uniform(-4, 4)
            scales = first, second, max(first, second) * 10 ** rng.uniform(-1, 1)
        case 4:
            scales = first, first * rng.uniform(0.3, 3), first * rng.uniform(0.3, 3)
        case _:
            scales = first, first * 10 ** rng.uniform(-4, 4), first * 10 ** rng.uniform(-4, 4)
    return _addition(rng, scales)


def fraction_addition(
    rng: np.random.Generator, denominator: int, numerators: Sequence[int]
) -> Addition:
    """Scales that are fractions: the sums of many operands are exact halves of an output step."""
    return _addition(rng, tuple(n / denominator for n in numerators))


def split_addition(rng: np.random.Generator) -> Addition:
    """Of fractions, and such that it takes more than one second pass."""
    while True:
        numerators = tuple(int(n) for n in rng.integers(1, 33, 3))
        addition = fraction_addition(rng, int(rng.choice([255, 100])), numerators)
        first, second, output, activation = addition
        if add_tables(first, second, output, clamp_range(activation, output)) is None:
            return addition


def _addition(rng: np.random.Generator, scales: tuple[float, ...]) -> Addition:
    a, b, c = (
        per_tensor(scale, int(rng.choice([-128, 0, 127, any_point])))
        for scale, any_point in zip(scales, rng.integers(-128, 128, 3), strict=True)
    )
    return a, b, c, _ACTIVATIONS[int(rng.integers(len(_ACTIVATIONS)))]


def addition_model(rng: np.random.Generator, addition: Addition) -> bytes:
    """A ``.tflite`` file with a residual: an ADD of a convolution's results and of its input, or of
    a constant, in either order. A second convolution, with padding, may read the sum."""
    first, second, output, activation = addition
    height, width, channels = (int(n) for n in rng.integers(2, 9, 3))
    model = ModelBuilder()
    x = model.input("x", (1, height, width, channels), second)
    y = _convolution(model, rng, x, (1, 1), channels, first)
    if rng.random() < 0.3:
        shape = [(channels,), (1, height, width, channels)][rng.integers(2)]
        x = model.constant("addend", rng.integers(-128, 128, shape).astype(np.int8), second)
    pair = (y, x) if rng.random() < 0.5 else (x, y)
    total = model.add(*pair, output, activation=activation)
    model.output(total)
    if rng.random() < 0.5:
        result = per_tensor(output.scale, int(rng.integers(-128, 128)))
        model.output(_convolution(model, rng, total, (3, 3), 5, result))
    return model.build()


def _convolution(
    model: ModelBuilder,
    rng: np.random.Generator,
    x: int,
    window: tuple[int, int],
    channels: int,
    output: Quantization,
) -> int:
    """Its results spread over the int8 range."""
    shape = (channels, *window, model.shape(x)[3])
    weights = rng.integers(-127, 128, shape).astype(np.int8)
    deviation = 74 * 74 * np.sqrt(weights[0].size)
    source = model.quantization(x)
    assert source is not None
    scale = 60 * output.scale / (deviation * source.scale)
    scales = per_channel(scale * rng.uniform(0.5, 2, channels))
    bias = rng.integers(-deviation, deviation, channels).astype(np.int32)
    return model.conv_2d(x, weights, bias, scales, output)
