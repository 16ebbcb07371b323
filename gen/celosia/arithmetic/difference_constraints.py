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
    # The edge by which each value was lowered last: from which c, or from which a.
    from_c, from_a = np.full(len(a), -1), np.full(len(c), -1)
    # Every round relaxes all edges, from the side of a and from that of b. Without a negative
    # cycle a shortest path has at most len(a) + len(b) edges; with one those last edges soon close
    # a cycle, and never do without (Tarjan).
    for _ in range(len(a) + len(c) + 1):
        lowered_a = _relax(a, c[None, :] + upper, from_c)
        lowered_c = _relax(c, (a[:, None] - lower).T, from_a)
        if not lowered_a and not lowered_c:
            return a, -c
        if _closes_cycle(from_c, from_a):
            return None
    return None


def _relax(
    values: npt.NDArray[np.int64], bounds: npt.NDArray[np.int64], source: npt.NDArray[np.int64]
) -> bool:
    """Lower each value to the least of its row of bounds, where that is less; note whose bound it
    is. Whether any was lowered."""
    nearest = bounds.argmin(axis=1)
    least = bounds[np.arange(len(values)), nearest]
    below = least < values
    values[below] = least[below]
    source[below] = nearest[below]
    return bool(below.any())


def _closes_cycle(from_c: npt.NDArray[np.int64], from_a: npt.NDArray[np.int64]) -> bool:
    """Whether the edges, followed backwards from any a, never end."""
    end = len(from_c)
    # From an a to the a that its c was lowered by; ``end`` where there is none.
    back = np.where(from_c < 0, end, np.where(from_a[from_c] < 0, end, from_a[from_c]))
    back = np.append(back, end)
    for _ in range(end.bit_length()):
        back = back[back]
    return bool((back[:-1] != end).any())
