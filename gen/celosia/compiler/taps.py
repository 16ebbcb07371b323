# SPDX-License-Identifier: BSD-2-Clause
"""The inner loops that read a kernel in the fewest taps.

A tap reads ``lanes`` adjacent bytes. As the channels of neighbouring pixels are adjacent, one run
of bytes can cover several columns of a kernel, or several rows where lines are short; bytes
between them get weights of zero. So a kernel is cut into blocks of rows and columns, each read
as one run of taps.
"""

from __future__ import annotations

from itertools import permutations

from celosia.compiler.step import Limits, Loop, Taps


def choose(rows: Loop, columns: Loop, width: int, lanes: int, limits: Limits) -> Taps | None:
    """The fewest taps that read ``width`` bytes at each pixel of a kernel.

    Args:
        rows, columns: number of rows and columns of the kernel and their distances.
        width: adjacent bytes (channels) needed of each pixel.
        lanes: bytes that a tap reads.

    Returns:
        None if the loops exceed the limits of an instruction.
    """
    best = None
    for r in _block_sizes(rows.count):
        for j in _block_sizes(columns.count):
            run = (r - 1) * rows.stride + (j - 1) * columns.stride + width
            blocks = (
                Loop(-(-rows.count // r), r * rows.stride),
                Loop(-(-columns.count // j), j * columns.stride),
                Loop(-(-run // lanes), lanes),
            )
            count = blocks[0].count * blocks[1].count * blocks[2].count
            # Of equal counts the smaller block wins: its reads are rather aligned to words.
            if best is None or count < best.count:
                best = assign(blocks, limits) or best
    return best


def _block_sizes(count: int) -> list[int]:
    """Numbers of rows or columns that a block may have: all, without useless ones."""
    sizes: dict[int, int] = {}
    for size in range(1, count + 1):
        sizes.setdefault(-(-count // size), size)
    return list(sizes.values())


def assign(loops: tuple[Loop, Loop, Loop], limits: Limits, *, exact: bool = False) -> Taps | None:
    """Maps three loops to those of an instruction, whichever way they fit.

    A loop that is too long is split in two; unless ``exact``, that may add iterations, which are
    harmless as long as their weights are zero.
    """
    maxima = (limits.taps_ky, limits.taps_kx, limits.taps_c)
    for order in permutations(range(3)):
        if all(loops[i].count <= limit for i, limit in zip(order, maxima, strict=True)):
            return Taps(*(loops[i] for i in order))
    real = [loop for loop in loops if loop.count > 1]
    if len(real) == 3:
        return None
    longest = max(real, key=lambda loop: loop.count)
    rest = next((loop for loop in real if loop is not longest), Loop())
    for outer in range(max(2, -(-longest.count // max(maxima))), max(maxima) + 1):
        inner = -(-longest.count // outer)
        if exact and longest.count % outer:
            continue
        parts = Loop(outer, inner * longest.stride), Loop(inner, longest.stride)
        if found := assign((rest, *parts), limits, exact=exact):
            return found
        if inner == 1:
            break
    return None
