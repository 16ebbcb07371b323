# SPDX-License-Identifier: BSD-2-Clause
"""Store: every byte lands where it belongs, and neighbours share a write."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.store import Store
from celosia_hw.isa import ADDRESS_BITS
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, never
from celosia_sim.rtl.memory_ports import WriteMemory
from celosia_sim.rtl.streams import StreamSource

SIZE = 1 << ADDRESS_BITS


def make(config: dict[str, Any]) -> Store:
    return Store(AcceleratorConfig.from_dict(config))


@pytest.mark.parametrize(
    ("rows", "lanes", "requantize_lanes"), [(4, 4, 1), (4, 4, 4), (2, 8, 2), (16, 8, 4)]
)
def test_store(
    run_block: Callable[..., None], rows: int, lanes: int, requantize_lanes: int
) -> None:
    config = {
        "output_channels": rows,
        "input_channels": lanes,
        "chain_rows": 2,
        "scratch_bytes": SIZE,
        "requantize_lanes": requantize_lanes,
    }
    run_block(make, config=config)


Beat = dict[str, Any]
#: A word, which of its bytes are written, and these bytes, others being zero.
Write = tuple[int, int, int]


class Unit:
    """The block between beats and a memory."""

    def __init__(self, bench: Bench, *, stalls: bool) -> None:
        self.bench = bench
        self.config = AcceleratorConfig.from_dict(block_parameters()["config"])
        self.width = self.config.word_bytes
        stall = bench.stalls if stalls else lambda: never
        self.content = bytearray(bench.numpy.bytes(SIZE))
        self.source = StreamSource(bench, "i", stall())
        waits = stall()
        # What is urgent is taken at once: what makes it so is driven before the memory decides.
        self.memory = WriteMemory(
            bench,
            "o",
            self.content,
            lambda: waits() and not (self.source.offering or self.flushing),
        )
        self.flushing = False

    def beats(self, address: int, count: int) -> list[Beat]:
        """Random values for ``count`` bytes from ``address`` on, as full beats but the last."""
        lanes = self.config.requantize_lanes
        beats = []
        for start in range(0, count, lanes):
            values = [self.bench.rng.getrandbits(8) for _ in range(lanes)]
            number = min(lanes, count - start)
            beats.append({"values": values, "address": address + start, "count": number})
        return beats

    def with_fresh(self, beats: list[Beat]) -> list[Beat]:
        """Tells which beats begin in another word than the one before ended in, and, of some that
        do not, the same."""
        told = []
        last = -1
        for beat in beats:
            word = beat["address"] % SIZE // self.width
            differs = word != last or self.bench.rng.random() < 0.1
            told.append(beat | {"fresh": int(differs)})
            last = (beat["address"] + beat["count"] - 1) % SIZE // self.width
        return told

    def expected(self, beats: list[Beat]) -> list[Write]:
        """Bytes that follow each other into the same word are one write, but at a fresh beat."""
        writes: list[Write] = []
        for beat in beats:
            for index in range(beat["count"]):
                fresh = index == 0 and beat["fresh"]
                word, byte = divmod((beat["address"] + index) % SIZE, self.width)
                new = (word, 1 << byte, beat["values"][index] << 8 * byte)
                if writes and writes[-1][0] == word and not fresh:
                    _, enable, data = writes.pop()
                    new = (word, enable | new[1], data | new[2])
                writes.append(new)
        return writes

    async def run(self, beats: list[Beat]) -> None:
        """Sends beats, asks for the last word, and compares all writes and the whole memory."""
        bench = self.bench
        beats = self.with_fresh(beats)
        start = len(self.memory.values)
        content = bytearray(self.content)
        for beat in beats:
            for index in range(beat["count"]):
                content[(beat["address"] + index) % SIZE] = beat["values"][index]
        self.source.send(beats)
        await bench.run(lambda: self.source.done, limit=100 * len(beats) + 1000)
        bench.set("flush", 1)
        self.flushing = True
        await bench.run(lambda: not bench.get("busy"), limit=1000)
        bench.set("flush", 0)
        self.flushing = False
        got = []
        for value in self.memory.values[start:]:
            mask = sum(0xFF << 8 * b for b in range(self.width) if value["enable"] >> b & 1)
            got.append((value["word"], value["enable"], value["data"] & mask))
            full = value["enable"] == (1 << self.width) - 1
            assert value["urgent"] or full, "a word that is not complete asked to wait"
        assert got == self.expected(beats)
        assert self.content == content


def disjoint_runs(bench: Bench, region: int) -> list[tuple[int, int]]:
    """(address, bytes) of runs that cover parts of a region, in any order."""
    base = bench.rng.choice((bench.rng.randrange(SIZE), SIZE - region // 2))
    ends = sorted(bench.rng.sample(range(region), 24))
    runs = [(base + a, b - a) for a, b in itertools.pairwise(ends)]
    if bench.rng.random() < 0.5:
        bench.rng.shuffle(runs)
    return [(address % SIZE, count) for address, count in runs if bench.rng.random() < 0.8]


@cocotb.test()
async def random_runs(dut: Any) -> None:
    bench = await start_bench(dut, make, "random runs")
    unit = Unit(bench, stalls=True)
    for _ in range(15):
        beats = []
        for address, count in disjoint_runs(bench, bench.rng.choice((40, 200, 600))):
            for beat in unit.beats(address, count):
                beats.append(beat | {"address": beat["address"] % SIZE})
        await unit.run(beats)


@cocotb.test()
async def throughput(dut: Any) -> None:
    bench = await start_bench(dut, make, "throughput")
    unit = Unit(bench, stalls=False)
    lanes = unit.config.requantize_lanes
    for offset in range(unit.width):
        beats = unit.beats(64 + offset, 10 * unit.width)
        start = len(unit.source.cycles)
        await unit.run(beats)
        cycles = unit.source.cycles[start:]
        crossing = [(b["address"] % unit.width) + b["count"] > unit.width for b in beats]
        # The second half of a beat that crosses costs a cycle.
        assert cycles[-1] - cycles[0] == len(beats) - 1 + sum(crossing) - crossing[0]
        assert any(crossing) == (offset % lanes != 0)
