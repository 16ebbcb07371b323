# SPDX-License-Identifier: BSD-2-Clause
"""Weights arranged into words of the weight memory: for each tap, ``OC`` rows of ``IC`` lanes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int8Array = npt.NDArray[np.int8]
Int64Array = npt.NDArray[np.int64]


def pack(
    taps: Int64Array, lanes: int, offsets: Int64Array, values: npt.NDArray[np.int8]
) -> Int8Array:
    """Words that multiply the byte at each offset by its weight, and all others by zero.

    Args:
        taps: address of each tap relative to its position; a tap reads ``lanes`` bytes.
        offsets: where the elements of the kernel lie, relative to the position, all different.
        values: (groups, rows, len(offsets)) weights of these elements.

    Returns:
        (groups, len(taps), rows, lanes). Bytes that several taps read count at the first one.

    Raises:
        ValueError: no tap reads one of the offsets.
    """
    covered = (taps[:, None] + np.arange(lanes)).ravel()
    known, first = np.unique(covered, return_index=True)
    found = np.minimum(np.searchsorted(known, offsets), len(known) - 1)
    if not np.array_equal(known[found], offsets):
        raise ValueError("the taps do not read the whole kernel")
    groups, rows, _ = values.shape
    words = np.zeros((groups, rows, len(covered)), dtype=np.int8)
    words[:, :, first[found]] = values
    return np.ascontiguousarray(words.reshape(groups, rows, len(taps), lanes).transpose(0, 2, 1, 3))
