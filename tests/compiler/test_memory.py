# SPDX-License-Identifier: BSD-2-Clause
"""The memory plan and the contents of weight and parameter memories."""

from __future__ import annotations

import random

import pytest

from celosia.compiler.memory import busiest, overlap, plan
from celosia.compiler.storage import Storage
from celosia.compiler.streams import build, resident_rows
from celosia_hw.isa import Source


def check(storages: list[Storage]) -> int:
    """Asserts that nothing overlaps; returns the peak."""
    found = plan(storages)
    for a in storages:
        base = found.bases[a.number]
        assert base % a.align == a.phase
        assert base + a.size <= found.peak
        for b in storages:
            if a.number < b.number and overlap(a, b):
                other = found.bases[b.number]
                assert base + a.size <= other or other + b.size <= base
    assert found == plan(storages)
    return found.peak


@pytest.mark.parametrize("seed", range(40))
def test_random_lifetimes(seed: int) -> None:
    chance = random.Random(seed)
    storages = []
    for number in range(chance.randint(1, 30)):
        first = chance.randint(-1, 30)
        size = chance.randint(1, 5000)
        last = first + chance.choice([1, 1, 1, 2, 8])
        phase = chance.choice([0, 0, 8, 5])
        storages.append(Storage(number, "", size, first, last, 16, phase))
    peak = check(storages)
    bound = busiest(storages)[1]
    assert bound <= peak <= 1.25 * bound + 16 * len(storages)


def test_chain_of_layers_needs_the_two_largest_neighbours() -> None:
    sizes = [3000, 18000, 18000, 9000, 9000, 4000]
    storages = [Storage(i, "", size, i - 1, i) for i, size in enumerate(sizes)]
    assert check(storages) == 36000


def test_no_storages() -> None:
    assert plan([]).peak == 0


def test_busiest() -> None:
    storages = [Storage(0, "", 10, -1, 4), Storage(1, "", 5, 2, 3), Storage(2, "", 7, 3, 6)]
    assert busiest(storages) == (3, 22)


def test_resident_contents_are_stored_once() -> None:
    a, b = b"\1" * 16, b"\2" * 32
    users = [(1, a), (2, b), (3, a)]
    assert resident_rows(users, 16) == 3
    stream = build(users, Source.RESIDENT, 16, 8)
    assert stream.data == a + b
    assert stream.base == {1: 0, 2: 1, 3: 0}
    assert stream.list_bytes == 0


def test_ring_positions_and_segments() -> None:
    a, b = b"\1" * 16, b"\2" * 48
    stream = build([(1, a), (2, b), (3, b), (4, a)], Source.SCRATCH, 16, 5)
    assert stream.data == a + b
    # Rows consumed so far, modulo 5: 0, 1, 4, 7.
    assert stream.base == {1: 0, 2: 1, 3: 4, 4: 2}
    assert stream.segments == [(0, 64), (16, 48), (0, 16)]
    words = [
        int.from_bytes(stream.segment_list(0x1000)[i : i + 4], "little") for i in range(0, 32, 4)
    ]
    assert words == [0x1000, 16, 0x1010, 12, 0x1000, 4, 0, 0]
    assert stream.list_bytes == 32
