# SPDX-License-Identifier: BSD-2-Clause
"""Integers a[i] and b[j] with lower[i, j] <= a[i] + b[j] <= upper[i, j] for all i, j.

With c = -b every bound is on a difference, a - c or c - a: a system of difference constraints,
which has a solution exactly if its constraint graph has no negative cycle (Bellman-Ford).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Bounds beyond this magnitude count as absent.
UNBOUNDED = 1 << 45


def solve(
    lower: npt.NDArray[np.int64],
    upper: npt.NDArray[np.int64],
    start: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """Solve the system, beginning from ``start``, values of a and b that nearly fit.

    Args:
        lower, upper: bounds of shape (len(a), len(b)), -UNBOUNDED and UNBOUNDED where absent.
        start: initial a and b; they decide which of the solutions is found.

    Returns:
        (a, b), or None if there is no solution.
    """
    a, c = start[0].copy(), -start[1]
    # Every round relaxes all edges, from the side of a and from that of b. Without a negative
    # cycle a shortest path has at most len(a) + len(b) edges.
    for _ in range(len(a) + len(c) + 1):
        new_a = np.minimum(a, np.min(c[None, :] + upper, axis=1))
        new_c = np.minimum(c, np.min(new_a[:, None] - lower, axis=0))
        if np.array_equal(a, new_a) and np.array_equal(c, new_c):
            return a, -c
        a, c = new_a, new_c
    return None
