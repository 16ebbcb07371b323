# SPDX-License-Identifier: BSD-2-Clause
"""How FULLY_CONNECTED rescales its accumulators (TensorFlow Lite:
``reference/integer_ops/fully_connected.h``).

Unlike the convolutions, the reference kernel of LiteRT 2 works in double precision and rounds once:
``round(double(accumulator) * (input_scale * weight_scale / output_scale))``, halves away from
zero. Multiplier and shift, which its Prepare function computes too, are left to other kernels; the
two ways differ near halves, by one step. Per-tensor and per-channel weights make no difference.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.fixed_point import INT32_MAX, INT32_MIN, Int64Array, round_half_away

Float64Array: TypeAlias = npt.NDArray[np.float64]


def fully_connected_scales(
    input_scale: float, weight_scales: npt.ArrayLike, output_scale: float
) -> Float64Array:
    """Effective scales in double precision, one for each weight scale.

    Scales are the file's float32 values; the product is formed before the quotient.
    """
    scales = np.asarray(weight_scales, dtype=np.float64)
    return np.asarray(np.float64(input_scale) * scales / np.float64(output_scale))


def rescale_fully_connected(accumulators: npt.ArrayLike, scales: npt.ArrayLike) -> Int64Array:
    """Accumulators times effective scales, rounded, before the zero point is added.

    Args:
        accumulators: int32 values, bias included, any shape.
        scales: from ``fully_connected_scales``; they broadcast along the last axis.

    Returns:
        int64 values. The kernel converts to int32, which is defined within its range only; beyond
        it the results here saturate.
    """
    product = np.asarray(accumulators, dtype=np.float64) * np.asarray(scales, dtype=np.float64)
    rounded: npt.NDArray[np.float64] = np.clip(round_half_away(product), INT32_MIN, INT32_MAX)
    return rounded.astype(np.int64)


def requantize_fully_connected(
    accumulators: npt.ArrayLike,
    scales: npt.ArrayLike,
    zero_point: int,
    clamp: tuple[int, int],
) -> npt.NDArray[np.int8]:
    """int8 results; arguments as for ``rescale_fully_connected``, ``clamp`` within int8."""
    return np.clip(rescale_fully_connected(accumulators, scales) + zero_point, *clamp).astype(
        np.int8
    )


def fully_connected_steps(scales: npt.ArrayLike, levels: npt.ArrayLike) -> Int64Array:
    """The least accumulator from which on the rescaled value is at least a level.

    Args:
        scales: effective scales > 0, C of them.
        levels: rescaled values (zero point not added), L of them, of magnitude below 2^16.

    Returns:
        int64 array (C, L), clipped to -2^31..2^31: 2^31 means that no int32 reaches the level.
    """
    scale = np.asarray(scales, dtype=np.float64)[:, np.newaxis]
    level = np.asarray(levels, dtype=np.int64)[np.newaxis, :]
    middle = (level - 0.5) / scale
    estimate = np.clip(np.ceil(middle), INT32_MIN, INT32_MAX + 1).astype(np.int64)
    # The product is rounded to double precision and halves go away from zero: the step may lie
    # beside the quotient, and is found by trying.
    candidates = estimate[..., np.newaxis] + np.arange(-2, 3)
    reached = rescale_fully_connected(candidates, scale[..., np.newaxis]) >= level[..., np.newaxis]
    first = np.where(reached.any(axis=-1), reached.argmax(axis=-1) - 2, 3)
    return np.clip(estimate + first, INT32_MIN, INT32_MAX + 1)
