# SPDX-License-Identifier: BSD-2-Clause
"""WeightSelect: each tap meets its weight word, and a ring's words are waited for and freed."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.weights import FREE_RUNNING_LATENCY, WeightSelect
from celosia_hw.isa import Opcode, encode
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, Stall, never
from celosia_sim.rtl.loop_nest import taps
from celosia_sim.rtl.ring import Ring
from celosia_sim.rtl.streams import StreamSink, StreamSource


def make(config: dict[str, Any]) -> WeightSelect:
    return WeightSelect(AcceleratorConfig.from_dict(config))


@pytest.mark.parametrize(
    ("rows", "lanes", "depth", "multipliers"),
    [(2, 2, 16, "mac16"), (4, 4, 24, "mult18"), (4, 4, 24, "mac16"), (8, 16, 64, "mult18_pair")],
)
def test_weight_select(
    run_block: Callable[..., None], rows: int, lanes: int, depth: int, multipliers: str
) -> None:
    config = {
        "output_channels": rows,
        "input_channels": lanes,
        "chain_rows": 2,
        "weight_depth": depth,
        "multipliers": multipliers,
    }
    run_block(make, config=config)


class WeightMemory:
    """Which row the weight memory shows; compares it whenever a tap leaves the block."""

    def __init__(
        self, bench: Bench, sink: StreamSink, ring: Ring, config: AcceleratorConfig
    ) -> None:
        self.bench, self.sink, self.ring = bench, sink, ring
        self.depth = config.weight_depth
        self.latency = FREE_RUNNING_LATENCY if config.free_running else 1
        self.expected: list[int] = []  # words as the loop nest counts them
        self.first = 0  # the ring's count of the instruction's first word
        self.asked = 0
        self.waits = False
        self.row: int | None = None  # on the memory's output
        self.read: int | None = None
        # A memory that never stops shows each row for one cycle.
        self.due: deque[int | None] = deque([None] * (self.latency - 1))
        self.checked = 0
        bench.agents.append(self)

    def drive(self) -> None:
        self.due.append(self.read)
        self.row = self.due.popleft()

    def sample(self) -> None:
        # After the sink: its last value leaves in this very cycle.
        if len(self.sink.values) > self.checked:
            assert self.row == self.expected[self.checked] % self.depth
            self.checked += 1
        if self.latency > 1:
            self.read = None
        if self.bench.get("enable"):
            word = self.expected[self.asked]
            self.read = self.bench.get("row")
            assert self.read == word % self.depth
            if self.waits:
                self.ring.check_use(word - self.first)
            self.asked += 1


class Room:
    """Tells at random whether there is room for taps."""

    def __init__(self, bench: Bench, stall: Stall) -> None:
        self.bench, self.stall = bench, stall
        bench.agents.append(self)

    def drive(self) -> None:
        self.room = not self.stall()
        self.bench.set("room", int(self.room))

    def sample(self) -> None:
        assert self.room or not self.bench.bits("enable")


class Unit:
    """The block between a source of taps, a sink, the ring and the weight memory."""

    def __init__(self, bench: Bench, *, stalls: bool) -> None:
        config = AcceleratorConfig.from_dict(block_parameters()["config"])
        self.bench = bench
        self.depth = config.weight_depth
        self.tap_bits = 8 * config.input_channels
        stall = bench.stalls if stalls else lambda: never
        self.source = StreamSource(bench, "i", stall())
        if config.free_running:
            Room(bench, stall())
        self.sink = StreamSink(bench, "o", never if config.free_running else stall())
        self.ring = Ring(bench, self.depth, stall(), pulses=True)
        self.memory = WeightMemory(bench, self.sink, self.ring, config)
        self.ring_words = 0  # words of the ring that instructions have used so far

    async def run(self, opcode: Opcode, fields: dict[str, int]) -> None:
        """Runs one instruction: compares the taps, the rows, and what was freed."""
        bench, memory = self.bench, self.memory
        ring = bool(fields["weights_ring"]) and opcode != Opcode.MAX
        loads = fields["weight_words"] * (1 if fields["weights_shared"] else fields["groups"])
        if ring:
            fields = fields | {"weight_base": self.ring_words % self.depth}
        nest = list(taps(opcode, fields))
        sent, freed = len(self.sink.values), self.ring.freed
        base = fields["weight_base"]
        memory.waits = ring
        memory.first = base - self.ring_words
        memory.expected += [tap.weight for tap in nest]
        if ring:
            self.ring.to_come += loads
            self.ring_words += loads
        bench.set("instruction", int.from_bytes(encode(opcode, fields), "little"))
        bench.set("start", 1)
        await bench.step()
        bench.set("start", 0)
        await bench.step()
        values = [{"tag": tap.tag, "data": bench.rng.getrandbits(self.tap_bits)} for tap in nest]
        self.source.send(values)
        done = sent + len(nest)
        await bench.run(lambda: len(self.sink.values) == done, limit=100 * len(nest) + 1000)
        assert self.sink.values[sent:] == values
        assert self.ring.freed - freed == (loads if ring else 0)


def random_fields(rng: random.Random, depth: int) -> dict[str, int]:
    counts = {
        name: rng.choice((1, 2, rng.randint(1, 4)))
        for name in ("groups", "lines", "positions", "taps_ky", "taps_kx")
    }
    words = counts["taps_ky"] * counts["taps_kx"]
    counts["taps_c"] = rng.randint(1, max(1, depth // words))
    return fill(counts) | {
        "weights_ring": rng.randrange(2),
        "weights_shared": rng.randrange(2),
        "weight_base": rng.randrange(depth),
    }


def fill(counts: dict[str, int]) -> dict[str, int]:
    """All fields of an instruction with these counts."""
    zero = ("in_base", "in_group", "in_line", "in_position", "in_ky", "in_kx", "in_c", "skip")
    words = counts["taps_ky"] * counts["taps_kx"] * counts["taps_c"]
    return counts | dict.fromkeys(zero, 0) | {"weight_words": words}


@cocotb.test()
async def random_instructions(dut: Any) -> None:
    bench = await start_bench(dut, make, "random instructions")
    unit = Unit(bench, stalls=True)
    for _ in range(40):
        opcode = bench.rng.choice((Opcode.CONV, Opcode.CHAIN, Opcode.MAX))
        await unit.run(opcode, random_fields(bench.rng, unit.depth))


@cocotb.test()
async def more_words_than_the_ring_holds(dut: Any) -> None:
    """A layer with one position uses each word once, and needs no more than one at a time."""
    bench = await start_bench(dut, make, "large layer")
    unit = Unit(bench, stalls=True)
    counts = {"groups": 2, "lines": 1, "positions": 1, "taps_ky": 1, "taps_kx": 1}
    counts["taps_c"] = 2 * unit.depth + 7
    fields = fill(counts) | {"weights_ring": 1, "weights_shared": 0, "weight_base": 0}
    await unit.run(Opcode.CONV, fields)
    await unit.run(Opcode.CONV, fields)


@cocotb.test()
async def restart(dut: Any) -> None:
    """Words that arrived before the ring began anew are forgotten."""
    bench = await start_bench(dut, make, "restart")
    unit = Unit(bench, stalls=True)
    for words in (1, 2, unit.depth):
        unit.ring.to_come += words
        await bench.run(lambda: not unit.ring.to_come, limit=1000)
        bench.set("restart", 1)
        await bench.step()
        bench.set("restart", 0)
        unit.ring.arrived = unit.ring.freed = unit.ring_words = 0
        counts = {"groups": 2, "lines": 1, "positions": 2, "taps_ky": 1, "taps_kx": 1, "taps_c": 3}
        ring = {"weights_ring": 1, "weights_shared": 0, "weight_base": 0}
        await unit.run(Opcode.CONV, fill(counts) | ring)


@cocotb.test()
async def one_tap_a_cycle(dut: Any) -> None:
    bench = await start_bench(dut, make, "throughput")
    unit = Unit(bench, stalls=False)
    counts = {"groups": 2, "lines": 2, "positions": 3, "taps_ky": 1, "taps_kx": 2, "taps_c": 3}
    for ring in (0, 1):
        fields = fill(counts) | {"weights_ring": ring, "weights_shared": 0, "weight_base": 1}
        sent = len(unit.sink.cycles)
        await unit.run(Opcode.CONV, fields)
        taken, left = unit.source.cycles[sent:], unit.sink.cycles[sent:]
        assert left == [cycle + unit.memory.latency for cycle in taken]
        assert ring or taken == list(range(taken[0], taken[0] + len(taken)))
