# SPDX-License-Identifier: BSD-2-Clause
"""Random inputs of a graph."""

from __future__ import annotations

import numpy as np

from celosia.graph.ir import Array, DType, Graph, Tensor, TensorId

#: Real values of float32 inputs reach so many steps of an 8-bit quantization.
_FLOAT_STEPS = 160


def random_inputs(graph: Graph, seed: int) -> dict[TensorId, Array]:
    """An array for each input of a graph, by tensor.

    8-bit values are uniform, or near the zero point, or all at the ends; float32 values go beyond
    the range of what they are quantized to, and lie exactly between its steps for some.
    """
    rng = np.random.default_rng([seed, 1])
    return {number: _array(graph, number, rng) for number in graph.inputs}


def _array(graph: Graph, number: TensorId, rng: np.random.Generator) -> Array:
    tensor = graph.tensors[number]
    if tensor.dtype is DType.FLOAT32:
        return _floats(graph, number, rng)
    limits = np.iinfo(tensor.dtype.value)
    mode = rng.integers(6)
    if mode == 0:
        values = rng.choice(np.array([limits.min, limits.max]), tensor.shape)
    elif mode == 1:
        values = _zero_point(tensor) + rng.integers(-6, 7, tensor.shape)
    else:
        values = rng.integers(limits.min, limits.max, tensor.shape, endpoint=True)
    result: Array = np.clip(values, limits.min, limits.max).astype(tensor.dtype.numpy)
    return result


def _zero_point(tensor: Tensor) -> int:
    return 0 if tensor.quantization is None else tensor.quantization.zero_point


def _floats(graph: Graph, number: TensorId, rng: np.random.Generator) -> Array:
    tensor = graph.tensors[number]
    readers = graph.consumers(number)
    quantization = graph.tensors[readers[0].output].quantization if readers else None
    scale = 1.0 if quantization is None else quantization.scale
    steps = rng.uniform(-_FLOAT_STEPS, _FLOAT_STEPS, tensor.shape)
    halves = np.floor(steps) + 0.5
    return (np.where(rng.random(tensor.shape) < 0.3, halves, steps) * scale).astype(np.float32)
