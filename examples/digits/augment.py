# SPDX-License-Identifier: BSD-2-Clause
"""Images a little turned, stretched, sheared and moved, as another hand might have written them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Largest angle in radians, relative stretch, shear in pixels a row, and movement in pixels.
ANGLE = 0.1
STRETCH = 0.08
SHEAR = 0.1
MOVE = 0.6


def distort(
    images: npt.NDArray[np.float32], random: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Images of shape (n, size, size, 1), each under its own random affine map.

    Pixels are interpolated bilinearly; what comes from outside of an image is 0.
    """
    n, size = images.shape[:2]
    angle = random.uniform(-ANGLE, ANGLE, (n, 1, 1))
    stretch = random.uniform(1 - STRETCH, 1 + STRETCH, (2, n, 1, 1))
    shear = random.uniform(-SHEAR, SHEAR, (n, 1, 1))
    move = random.uniform(-MOVE, MOVE, (2, n, 1, 1))

    centre = (size - 1) / 2
    row, column = np.mgrid[:size, :size] - centre
    cosine, sine = np.cos(angle), np.sin(angle)
    source_row = cosine * stretch[0] * row - sine * column + centre + move[0]
    source_column = (sine + shear) * row + cosine * stretch[1] * column + centre + move[1]
    return _sample(images[..., 0], source_row, source_column)[..., np.newaxis]


def _sample(
    images: npt.NDArray[np.float32],
    row: npt.NDArray[np.float64],
    column: npt.NDArray[np.float64],
) -> npt.NDArray[np.float32]:
    """The value of image i at (row[i], column[i]), both of shape (n, size, size)."""
    size = images.shape[1]
    # A border of zeros, where all that lies outside is read.
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    row, column = (np.clip(place, -1, size) + 1 for place in (row, column))
    top, left = (np.minimum(place.astype(np.int64), size) for place in (row, column))
    below, right = row - top, column - left
    image = np.arange(len(images))[:, np.newaxis, np.newaxis]
    upper = padded[image, top, left] * (1 - right) + padded[image, top, left + 1] * right
    lower = padded[image, top + 1, left] * (1 - right) + padded[image, top + 1, left + 1] * right
    values: npt.NDArray[np.float32] = (upper * (1 - below) + lower * below).astype(np.float32)
    return values
