# SPDX-License-Identifier: BSD-2-Clause
"""The data: 1,797 handwritten digits, 8 x 8 pixels of 17 grey levels, that scikit-learn contains.

They are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak,
1998, UCI Machine Learning Repository, CC BY 4.0).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

#: The last images are held out. They are in the order of their writers, so that most held-out
#: images come from hands that the network has not seen; a random choice would be easier.
HELD_OUT = 360


class Split(NamedTuple):
    """Images in 0..1 of shape (n, 8, 8, 1), and their labels in 0..9 of shape (n,)."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


def load() -> tuple[Split, Split]:
    """The images to train on, and those held out."""
    digits = load_digits()
    images = (digits.images[..., np.newaxis] / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    return (
        Split(images[:-HELD_OUT], labels[:-HELD_OUT]),
        Split(images[-HELD_OUT:], labels[-HELD_OUT:]),
    )
