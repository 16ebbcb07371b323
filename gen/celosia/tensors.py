# SPDX-License-Identifier: BSD-2-Clause
"""Tensors as they lie in an accelerator's scratchpad, and what it counted there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.compiler.image import Image, TensorPort


def span(port: TensorPort) -> int:
    """Bytes from a tensor's first element to its last, both included."""
    return 1 + sum((n - 1) * s for n, s in zip(port.shape, port.strides, strict=True))


def to_bytes(port: TensorPort, values: npt.NDArray[np.generic]) -> bytes:
    """The bytes of a tensor as they lie in the scratchpad; what lies between its elements is the
    zero point, as in its border."""
    content = np.full(span(port), port.zero_point, np.dtype(port.dtype)).view(np.uint8)
    view = np.lib.stride_tricks.as_strided(content, port.shape, port.strides)
    view[...] = values.reshape(port.shape).view(np.uint8)
    return content.tobytes()


def from_bytes(port: TensorPort, content: bytes) -> npt.NDArray[np.generic]:
    """The tensor in the ``span`` bytes read at its address."""
    raw = np.frombuffer(content, np.dtype(port.dtype))
    return np.lib.stride_tricks.as_strided(raw, port.shape, port.strides).copy()


def counters_bytes(image: Image) -> int:
    """Size of the cycle counters at ``image.profile_base``: END has none."""
    return 4 * (len(image.instructions) - 1)


def layer_cycles(image: Image, counters: bytes) -> list[int]:
    """Clock cycles of each of the image's layers, measured by the accelerator itself.

    What belongs to no layer (the set-up) counts to the layer behind it.
    """
    ends = np.frombuffer(counters, "<u4").astype(np.int64)
    cycles = []
    before = 0
    for layer in image.layers:
        end = int(ends[layer.last]) if layer.last >= layer.first else before
        cycles.append(end - before)
        before = end
    return cycles
