# SPDX-License-Identifier: BSD-2-Clause
"""Output shapes, as TensorFlow Lite infers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import tflite

#: SAME keeps ceil(size / stride) positions, VALID only those whose window lies in the image.
PaddingName: TypeAlias = Literal["SAME", "VALID"]

FILE_PADDINGS: dict[PaddingName, int] = {
    "SAME": tflite.Padding.SAME,
    "VALID": tflite.Padding.VALID,
}


def window_positions(
    size: int, window: int, stride: int, dilation: int, padding: PaddingName
) -> int:
    """Positions of a window along one axis of ``size`` elements."""
    if padding == "SAME":
        return -(-size // stride)
    reach = (window - 1) * dilation + 1
    return max(0, -(-(size - reach + 1) // stride))


def image_shape(
    shape: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: PaddingName,
    channels: int,
) -> tuple[int, int, int, int]:
    """NHWC shape of what a sliding window makes of an image of ``shape``."""
    height, width = (
        window_positions(shape[axis + 1], window[axis], stride[axis], dilation[axis], padding)
        for axis in (0, 1)
    )
    return shape[0], height, width, channels


def broadcast_shape(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    """Shape of an element-by-element operation of two tensors, aligned at the last axis."""
    rank = max(len(a), len(b))
    left = (1,) * (rank - len(a)) + tuple(a)
    right = (1,) * (rank - len(b)) + tuple(b)
    return tuple(q if p == 1 else p for p, q in zip(left, right, strict=True))
