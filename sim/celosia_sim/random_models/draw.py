# SPDX-License-Identifier: BSD-2-Clause
"""Random quantizations, shapes, weights and biases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from celosia.graph.ir import Activation, Quantization
from celosia_sim.tflite_writer import per_tensor

_T = TypeVar("_T")

#: Scales stay within these powers of two: the ends of the activations (6 at most) divided by a
#: scale must fit int32, or LiteRT refuses the model.
_SCALE_EXPONENTS = (-24.0, 16.0)
_INT32_MAX = (1 << 31) - 1
_MAX_BIAS = 1 << 30
#: Standard deviation of uniform int8 values.
_INPUT_DEVIATION = 74.0


@dataclass(frozen=True)
class Weights:
    """``values`` int8 (out, products), ``bias`` int32 (out) or None, scales for one or each."""

    values: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32] | None
    scales: tuple[float, ...]
    output: Quantization


class Draw:
    """A random source with the budgets of one model."""

    def __init__(self, seed: Sequence[int], size: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.max_products = 16_000 * size
        self.max_elements = 1_500 * size
        self.max_side = 9 + size
        self.max_channels = 12 + 4 * size

    # --- plain choices ---------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def choice(self, values: Sequence[_T]) -> _T:
        return values[int(self.rng.integers(len(values)))]

    def integer(self, low: int, high: int) -> int:
        """Uniform in low..high, both included."""
        return int(self.rng.integers(low, high, endpoint=True))

    def power(self, low: float, high: float) -> float:
        """Two to a power that is uniform in low..high."""
        return float(2.0 ** self.rng.uniform(low, high))

    # --- quantization ----------------------------------------------------------------------------

    def zero_point(self) -> int:
        return self.choice([-128, -128, 0, 127, *(self.integer(-128, 127) for _ in range(6))])

    def quantization(self, scale: float | None = None) -> Quantization:
        """With a scale near ``scale``, or any: usual, a power of two, or extreme."""
        if scale is None:
            scale = self.choice(
                [
                    self.power(-8, 0),
                    self.power(-8, 0),
                    2.0 ** self.integer(-8, 2),
                    self.power(-18, 12),
                ]
            )
        low, high = (2.0**exponent for exponent in _SCALE_EXPONENTS)
        return per_tensor(min(max(scale, low), high), self.zero_point())

    def near(self, of: Quantization, low: float, high: float) -> Quantization:
        """A scale that differs from another by 2^low to 2^high, often by a whole power or not."""
        factor = self.choice([1.0, 2.0 ** self.integer(int(low), int(high)), self.power(low, high)])
        return self.quantization(of.scale * factor)

    def activation(self) -> Activation:
        # The bounded ones collapse to one value under large scales: not too many of them.
        usual = [Activation.NONE, Activation.NONE, Activation.RELU]
        return self.choice(usual if self.chance(0.4) else list(Activation))

    # --- shapes ----------------------------------------------------------------------------------

    def image(self, copies: int = 1) -> tuple[int, int, int, int]:
        """An image so small that ``copies`` of it are within the budget."""
        while True:
            height, width = self.integer(1, self.max_side), self.integer(1, self.max_side)
            shape = (1, height, width, self.integer(1, self.max_channels))
            if height * width * shape[3] * copies <= self.max_elements:
                return shape

    def shape(self) -> tuple[int, ...]:
        """An image, or fewer dimensions."""
        if self.chance(0.6):
            return self.image()
        return self.choice([(1, self.integer(1, 60)), (1, self.integer(1, 9), self.integer(1, 9))])

    def pair(self, low: int, high: int) -> tuple[int, int]:
        first = self.integer(low, high)
        return (first, first) if self.chance(0.5) else (first, self.integer(low, high))

    # --- weights ---------------------------------------------------------------------------------

    def weights(
        self, channels: int, products: int, source: Quantization, *, needs_bias: bool = False
    ) -> Weights:
        """Weights with scales and an output quantization under which the output varies, mostly."""
        values = self._values(channels, products)
        root = np.sqrt(np.maximum(np.sum(values.astype(np.float64) ** 2, axis=1), 1.0))
        deviation = float(np.median(root)) * _INPUT_DEVIATION
        # Effective scale: what makes an output step of an accumulator.
        effective = self.power(4, 7) / deviation
        output = self.near(source, -6, 6) if self.chance(0.7) else self.quantization()
        mode = self.choice([*("usual",) * 6, *("tie",) * 3, *("extreme",) * 3, "vanishing"])
        if mode == "tie":  # exact halves: all factors are powers of two
            effective = 2.0 ** round(np.log2(effective))
            output = per_tensor(source.scale * 2.0 ** self.integer(-3, 3), output.zero_point)
        elif mode == "extreme":
            effective *= self.power(-7, 6)
        elif mode == "vanishing":  # multipliers around 2^-32, below which they become 0
            effective = self.power(-36, -29)
        scales = np.array([effective * output.scale / source.scale])
        if self.chance(0.6):
            spread = self.choice([1.0, 3.0, 8.0])
            exponents = self.rng.uniform(-spread, spread, channels)
            scales = scales * 2.0 ** (np.round(exponents) if mode == "tie" else exponents)
        bias = None
        if needs_bias or not self.chance(0.15):
            bias = self._bias(values, deviation, effective)
        limited = self._limited(scales, values, bias, source, output)
        return Weights(values, bias, limited, output)

    def _values(self, channels: int, products: int) -> npt.NDArray[np.int8]:
        shape = (channels, products)
        mode = self.choice(["uniform", "uniform", "small", "sparse", "extreme"])
        if mode == "extreme":
            values = self.rng.choice(np.array([-127, 127]), shape)
        elif mode == "small":
            values = self.rng.integers(-3, 4, shape)
        else:
            values = self.rng.integers(-127, 128, shape)
        if mode == "sparse":
            values = np.where(self.rng.random(shape) < 0.75, 0, values)
        if self.chance(0.3):  # dead channels
            values[self.rng.random(channels) < self.choice([0.2, 0.8])] = 0
        return values.astype(np.int8)

    def _bias(
        self, values: npt.NDArray[np.int8], deviation: float, effective: float
    ) -> npt.NDArray[np.int32]:
        bias = self.rng.normal(0, deviation, len(values))
        if self.chance(0.3):  # some channels saturate whatever the input
            saturating = self.rng.choice(np.array([-1.0, 1.0]), len(values)) * 1000 / effective
            bias = np.where(self.rng.random(len(values)) < 0.3, saturating, bias)
        return np.clip(bias, -_MAX_BIAS, _MAX_BIAS).astype(np.int32)

    @staticmethod
    def _limited(
        scales: npt.NDArray[np.float64],
        values: npt.NDArray[np.int8],
        bias: npt.NDArray[np.int32] | None,
        source: Quantization,
        output: Quantization,
    ) -> tuple[float, ...]:
        """Scales small enough that no accumulator, shifted left before it is multiplied, leaves
        int32, where the kernels are undefined. (The sums themselves never do: weights of that many
        products stay below 2^29, biases below 2^30.)"""
        reach = 255 * np.sum(np.abs(values.astype(np.int64)), axis=1)
        reach += 0 if bias is None else np.abs(bias.astype(np.int64))
        limit = _INT32_MAX / np.maximum(reach, 1) / 4
        if len(scales) == 1:
            limit = limit.min(keepdims=True)
        effective = scales * source.scale / output.scale
        scales = np.where(effective > limit, scales * limit / effective, scales)
        return tuple(float(scale) for scale in scales)
