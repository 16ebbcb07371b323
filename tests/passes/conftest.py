# SPDX-License-Identifier: BSD-2-Clause
"""Small networks for the tests of the passes, and the comparison that all of them make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from celosia.graph.ir import (
    Activation,
    Add,
    Array,
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    DType,
    Elementwise,
    FullyConnected,
    Function,
    Graph,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Padding,
    Quantization,
    Reshape,
    Softmax,
    Tensor,
    TensorId,
)
from celosia.graph.rules import FIXED_OUTPUT, SOFTMAX_OUTPUT
from celosia.graph.shapes import result_shape
from celosia.graph.verify import verify
from celosia_sim.reference import run


class Network:
    """Builds a graph with random weights whose results spread over the int8 range.

    Each method appends an operation and returns its output tensor.
    """

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = Graph(f"network {seed}", {}, [], [], [])

    def finish(self, *outputs: TensorId) -> Graph:
        self.graph.outputs = list(outputs)
        verify(self.graph)
        return self.graph

    # --- tensors ---------------------------------------------------------------------------------

    def tensor(
        self, shape: Sequence[int], quantization: Quantization, data: Array | None = None
    ) -> TensorId:
        number = len(self.graph.tensors)
        name = f"tensor{number}"
        self.graph.tensors[number] = Tensor(name, tuple(shape), DType.INT8, quantization, data)
        return number

    def input(self, *shape: int, zero_point: int | None = None) -> TensorId:
        number = self.tensor(shape, self.quantization(0.05, zero_point))
        self.graph.inputs.append(number)
        return number

    def constant(self, *shape: int) -> TensorId:
        data = self.rng.integers(-128, 128, shape).astype(np.int8)
        return self.tensor(shape, self.quantization(0.05), data)

    def shape(self, tensor: TensorId) -> tuple[int, ...]:
        return self.graph.tensors[tensor].shape

    def of(self, tensor: TensorId) -> Quantization:
        quantization = self.graph.tensors[tensor].quantization
        assert quantization is not None
        return quantization

    def quantization(self, scale: float, zero_point: int | None = None) -> Quantization:
        """Near ``scale``, with a random zero point unless one is given."""
        near = float(np.float32(scale * self.rng.uniform(0.7, 1.4)))
        at = int(self.rng.integers(-128, 128)) if zero_point is None else zero_point
        return Quantization((near,), (at,))

    # --- operations with weights -----------------------------------------------------------------

    def conv(
        self,
        x: TensorId,
        channels: int,
        kernel: tuple[int, int] = (1, 1),
        *,
        dead: Sequence[int] = (),
        pinned: Sequence[int] = (),
        unread: Sequence[int] = (),
        zero_point: int | None = None,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: Padding | None = None,
        activation: Activation = Activation.NONE,
    ) -> TensorId:
        """Conv2D. ``dead`` output channels have no weights, the clamp pins ``pinned`` ones, and
        ``unread`` input channels have zero weights only."""
        depth = self.shape(x)[-1]
        weights = self.rng.integers(-127, 128, (channels, *kernel, depth)).astype(np.int8)
        weights[list(dead)] = 0
        weights[..., list(unread)] = 0
        scales, quantization = self._scales(x, channels, weights[0].size, zero_point)
        op = Conv2D(
            len(self.graph.ops),
            [x],
            -1,
            weights=weights,
            bias=self._bias(channels, weights[0].size, pinned),
            weight_scales=scales,
            stride=stride,
            dilation=dilation,
            padding=padding or Padding(),
            activation=activation,
        )
        return self._append(op, quantization)

    def depthwise(
        self,
        x: TensorId,
        kernel: tuple[int, int] = (3, 3),
        *,
        multiplier: int = 1,
        dead: Sequence[int] = (),
        zero_point: int | None = None,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: Padding | None = None,
        activation: Activation = Activation.NONE,
    ) -> TensorId:
        channels = self.shape(x)[-1] * multiplier
        weights = self.rng.integers(-127, 128, (*kernel, channels)).astype(np.int8)
        weights[..., list(dead)] = 0
        taps = kernel[0] * kernel[1]
        scales, quantization = self._scales(x, channels, taps, zero_point)
        op = DepthwiseConv2D(
            len(self.graph.ops),
            [x],
            -1,
            weights=weights,
            bias=self._bias(channels, taps, ()),
            weight_scales=scales,
            multiplier=multiplier,
            stride=stride,
            dilation=dilation,
            padding=padding or Padding(),
            activation=activation,
        )
        return self._append(op, quantization)

    def dense(
        self,
        x: TensorId,
        channels: int,
        *,
        depth: int | None = None,
        dead: Sequence[int] = (),
        per_channel: bool = True,
        activation: Activation = Activation.NONE,
    ) -> TensorId:
        depth = depth or int(np.prod(self.shape(x)))
        weights = self.rng.integers(-127, 128, (channels, depth)).astype(np.int8)
        weights[list(dead)] = 0
        scales, quantization = self._scales(x, channels, depth, None)
        op = FullyConnected(
            len(self.graph.ops),
            [x],
            -1,
            weights=weights,
            bias=self._bias(channels, depth, ()),
            weight_scales=scales if per_channel else scales[:1] * channels,
            activation=activation,
            per_channel=per_channel,
        )
        return self._append(op, quantization)

    def _scales(
        self, x: TensorId, channels: int, taps: int, zero_point: int | None
    ) -> tuple[tuple[float, ...], Quantization]:
        scales = self.rng.uniform(0.005, 0.02, channels).astype(np.float32)
        spread = self.of(x).scale * 0.01 * 74 * 74 * float(np.sqrt(taps)) / 60
        return tuple(float(scale) for scale in scales), self.quantization(spread, zero_point)

    def _bias(self, channels: int, taps: int, pinned: Sequence[int]) -> Any:
        reach = int(4000 * np.sqrt(taps)) + 1
        bias = self.rng.integers(-reach, reach, channels)
        bias[list(pinned)] = -(1 << 24)
        return bias.astype(np.int32)

    # --- other operations ------------------------------------------------------------------------

    def average_pool(self, x: TensorId, window: tuple[int, int], **options: Any) -> TensorId:
        return self._pool(AveragePool2D, x, window, **options)

    def max_pool(self, x: TensorId, window: tuple[int, int], **options: Any) -> TensorId:
        return self._pool(MaxPool2D, x, window, **options)

    def _pool(
        self,
        kind: type[AveragePool2D] | type[MaxPool2D],
        x: TensorId,
        window: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: Padding | None = None,
        activation: Activation = Activation.NONE,
    ) -> TensorId:
        op = kind(
            len(self.graph.ops),
            [x],
            -1,
            window=window,
            stride=stride,
            padding=padding or Padding(),
            activation=activation,
        )
        return self._append(op, self.of(x))

    def mean(self, x: TensorId, *, keep_dims: bool = False) -> TensorId:
        op = Mean(len(self.graph.ops), [x], -1, keep_dims=keep_dims)
        return self._append(op, self.quantization(self.of(x).scale))

    def add(self, a: TensorId, b: TensorId, activation: Activation = Activation.NONE) -> TensorId:
        scale = self.of(a).scale + self.of(b).scale
        op = Add(len(self.graph.ops), [a, b], -1, activation=activation)
        return self._append(op, self.quantization(scale))

    def pad(self, x: TensorId, *amounts: tuple[int, int]) -> TensorId:
        return self._append(Pad(len(self.graph.ops), [x], -1, amounts=amounts), self.of(x))

    def reshape(self, x: TensorId, *shape: int) -> TensorId:
        return self._append(Reshape(len(self.graph.ops), [x], -1), self.of(x), shape)

    def concatenation(self, *parts: TensorId, axis: int = 3) -> TensorId:
        for part in parts[1:]:
            self.graph.tensors[part].quantization = self.of(parts[0])
        op = Concatenation(len(self.graph.ops), list(parts), -1, axis=axis)
        return self._append(op, self.of(parts[0]))

    def function(
        self, x: TensorId, function: Function, quantization: Quantization | None = None
    ) -> TensorId:
        if function in FIXED_OUTPUT:
            scale, zero_point = FIXED_OUTPUT[function]
            quantization = Quantization((scale,), (zero_point,))
        op = Elementwise(len(self.graph.ops), [x], -1, function=function, alpha=0.1)
        return self._append(op, quantization or self.quantization(self.of(x).scale))

    def softmax(self, x: TensorId) -> TensorId:
        scale, zero_point = SOFTMAX_OUTPUT
        quantization = Quantization((scale,), (zero_point,))
        return self._append(Softmax(len(self.graph.ops), [x], -1, beta=1.0), quantization)

    def _append(
        self, op: Op, quantization: Quantization, declared: tuple[int, ...] = ()
    ) -> TensorId:
        shape = result_shape(op, [self.shape(tensor) for tensor in op.inputs], declared)
        op.output = self.tensor(shape, quantization)
        self.graph.ops.append(op)
        return op.output


@pytest.fixture
def network() -> type[Network]:
    return Network


def fingerprint(graph: Graph) -> str:
    """Everything about a graph, to see that it was left alone."""

    def full(value: object) -> str:
        if isinstance(value, np.ndarray):
            return f"{value.dtype}{value.shape}{value.tobytes().hex()}"
        if isinstance(value, Graph | Tensor | Op):
            return f"{type(value).__name__}({ {k: full(v) for k, v in vars(value).items()} })"
        if isinstance(value, dict):
            return str({key: full(item) for key, item in value.items()})
        if isinstance(value, list):
            return str([full(item) for item in value])
        return repr(value)

    return full(graph)


def assert_same_bytes(before: Graph, after: Graph, samples: int = 3, seed: int = 0) -> None:
    """Both graphs have the same interface and give the same bytes for random inputs."""
    assert (before.inputs, before.outputs) == (after.inputs, after.outputs)
    for tensor in (*before.inputs, *before.outputs):
        old, new = before.tensors[tensor], after.tensors[tensor]
        assert (old.shape, old.dtype, old.quantization) == (new.shape, new.dtype, new.quantization)
    rng = np.random.default_rng(seed)
    for _ in range(samples):
        inputs = {
            tensor: rng.integers(-128, 128, before.tensors[tensor].shape).astype(
                before.tensors[tensor].dtype.numpy
            )
            for tensor in before.inputs
        }
        old_results, new_results = run(before, inputs), run(after, inputs)
        for tensor in before.outputs:
            np.testing.assert_array_equal(old_results[tensor], new_results[tensor])


@pytest.fixture
def apply_checked() -> Callable[..., Graph]:
    """``apply_checked(pass, graph, changes=True)`` runs a pass and returns its result, having
    checked the bytes, the graph's form, that the argument is untouched, and the flag."""

    def check(one: Any, graph: Graph, changes: bool = True) -> Graph:
        before = fingerprint(graph)
        result, changed = one.apply(graph)
        assert fingerprint(graph) == before, "the pass changed its argument"
        verify(result)
        assert changed is changes
        assert changed == (fingerprint(result) != before)
        assert isinstance(result, Graph)
        assert_same_bytes(graph, result)
        return result

    return check


@pytest.fixture
def same_bytes() -> Callable[..., None]:
    return assert_same_bytes
