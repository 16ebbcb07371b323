# SPDX-License-Identifier: BSD-2-Clause
"""The memory plan: base addresses for storages whose lifetimes overlap or not.

Placing intervals in time at offsets in memory with the least total height is NP-hard; the search
places storages one by one at the lowest offset that is free, in many orders, and stops at the
lower bound: the most bytes that are alive at one time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from celosia.compiler.storage import Storage

#: Orders that are tried at random beyond the systematic ones.
RANDOM_ORDERS = 400
#: Up to this many storages, all orders are tried.
EXHAUSTIVE = 6


@dataclass(frozen=True)
class MemoryPlan:
    """Base address of each storage, by number, and the end of the highest one."""

    bases: dict[int, int]
    peak: int


def overlap(a: Storage, b: Storage) -> bool:
    """Whether both are needed at the same time."""
    return a.first <= b.last and b.first <= a.last


def live_bytes(storages: Sequence[Storage], position: int) -> int:
    """Bytes needed at an operation."""
    return sum(s.size for s in storages if s.first <= position <= s.last)


def busiest(storages: Sequence[Storage]) -> tuple[int, int]:
    """The operation with the most bytes alive, and their number."""
    positions = {s.first for s in storages} | {s.last for s in storages}
    return max(((p, live_bytes(storages, p)) for p in positions), key=lambda x: (x[1], -x[0]))


def plan(storages: Sequence[Storage], target: int | None = None) -> MemoryPlan:
    """Places all storages from address 0 on; any plan that ends by ``target`` is good enough.

    Deterministic: the same storages give the same plan.
    """
    if not storages:
        return MemoryPlan({}, 0)
    _, bound = busiest(storages)
    best: MemoryPlan | None = None
    for order in _orders(storages):
        candidate = _place(order)
        if best is None or candidate.peak < best.peak:
            best = candidate
        if best.peak <= bound or (target is not None and best.peak <= target):
            break
    assert best is not None
    return best


def _orders(storages: Sequence[Storage]) -> Iterator[Sequence[Storage]]:
    yield sorted(storages, key=lambda s: (-s.size, s.first))
    yield sorted(storages, key=lambda s: (-s.size * (s.last - s.first + 1), s.first))
    yield sorted(storages, key=lambda s: (s.first, -s.size))
    yield sorted(storages, key=lambda s: (s.last - s.first, -s.size), reverse=True)
    # From the busiest moment outwards: what is alive there must be packed without holes.
    peak, _ = busiest(storages)
    yield sorted(storages, key=lambda s: (max(s.first - peak, peak - s.last, 0), -s.size, s.first))
    if len(storages) <= EXHAUSTIVE:
        yield from permutations(storages)
        return
    chance = random.Random(0)
    # Small changes of the order by size find most of what is left.
    base = sorted(storages, key=lambda s: (-s.size, s.first))
    for _ in range(RANDOM_ORDERS):
        yield sorted(base, key=lambda s: -s.size * chance.uniform(0.3, 1.0))


def _place(order: Sequence[Storage]) -> MemoryPlan:
    placed: list[tuple[int, int, Storage]] = []
    bases = {}
    for storage in order:
        base = _lowest(storage, [p for p in placed if overlap(p[2], storage)])
        placed.append((base, base + storage.size, storage))
        placed.sort(key=lambda p: p[0])
        bases[storage.number] = base
    return MemoryPlan(bases, max(end for _, end, _ in placed))


def _lowest(storage: Storage, neighbours: Sequence[tuple[int, int, Storage]]) -> int:
    base = storage.phase
    for start, end, _ in neighbours:
        if base + storage.size <= start:
            break
        if end > base:
            base = end + (storage.phase - end) % storage.align
    return base
