# SPDX-License-Identifier: BSD-2-Clause
"""Fetch: the taps of the loop nest, each with its bytes and flags, one a cycle."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.fetch import Fetch
from celosia_hw.gateware.pipelined_scratchpad import FETCH_LATENCY
from celosia_hw.isa import ADDRESS_BITS, COMPUTE, Opcode, encode
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, never
from celosia_sim.rtl.loop_nest import taps
from celosia_sim.rtl.memory_ports import ByteMemory
from celosia_sim.rtl.streams import StreamSink

SIZE = 1 << ADDRESS_BITS
COUNTS = ("groups", "lines", "positions", "taps_ky", "taps_kx", "taps_c")
ADDRESSES = ("in_base", "in_group", "in_line", "in_position", "in_ky", "in_kx", "in_c")


def make(config: dict[str, Any]) -> Fetch:
    return Fetch(AcceleratorConfig.from_dict(config))


@pytest.mark.parametrize(
    ("rows", "lanes", "single_port"),
    [(2, 2, True), (4, 4, True), (8, 16, False), (2, 8, False)],
)
def test_fetch(run_block: Callable[..., None], rows: int, lanes: int, single_port: bool) -> None:
    run_block(
        make,
        config={
            "output_channels": rows,
            "input_channels": lanes,
            "chain_rows": 2,
            "scratch_bytes": SIZE,
            "scratch_single_port": single_port,
            "multipliers": "mac16" if single_port else "mult18",
        },
    )


def random_fields(rng: random.Random, opcode: Opcode, counts: dict[str, int]) -> dict[str, int]:
    fields = counts | {name: rng.getrandbits(ADDRESS_BITS) for name in ADDRESSES}
    skip = rng.randrange(min(counts["positions"], 16)) if opcode == Opcode.CHAIN else 0
    return fields | {
        "skip": skip,
        "weights_ring": rng.randrange(2),
        "weights_shared": rng.randrange(2),
        "weight_base": 0,
        "weight_words": counts["taps_ky"] * counts["taps_kx"] * counts["taps_c"],
    }


class Unit:
    """The block with a memory of random bytes, and what it should have sent so far."""

    def __init__(self, bench: Bench, *, stalls: bool) -> None:
        self.bench = bench
        self.config = AcceleratorConfig.from_dict(block_parameters()["config"])
        stall = bench.stalls if stalls else lambda: never
        self.latency = 2 if self.config.scratch_single_port else FETCH_LATENCY
        self.content = bytearray(bench.numpy.bytes(SIZE))
        self.memory = ByteMemory(bench, "memory", self.content, stall(), latency=self.latency)
        self.sink = StreamSink(bench, "o", stall())
        self.expected: list[dict[str, Any]] = []

    async def run(self, opcode: Opcode, fields: dict[str, int]) -> None:
        """Runs one instruction and compares all taps."""
        bench = self.bench
        expected = []
        for tap in taps(opcode, fields):
            addresses = range(tap.address, tap.address + self.config.input_channels)
            x = bytes(self.content[a % SIZE] for a in addresses)
            expected.append({"tag": tap.tag, "data": int.from_bytes(x, "little")})
        bench.set("instruction", int.from_bytes(encode(opcode, fields), "little"))
        bench.set("start", 1)
        await bench.step()
        bench.set("start", 0)
        sent = len(self.sink.values)
        self.expected += expected
        while len(self.sink.values) < len(self.expected):
            assert bench.get("busy")
            await bench.run(lambda: not bench.get("busy"), limit=40 * len(expected) + 1000)
        assert self.sink.values[sent:] == expected


@cocotb.test()
async def random_loops(dut: Any) -> None:
    bench = await start_bench(dut, make, "random loops")
    unit = Unit(bench, stalls=True)
    rng = bench.rng
    for _ in range(25):
        counts = {name: rng.choice((1, 1, 2, rng.randint(1, 5))) for name in COUNTS}
        opcode = rng.choice((Opcode.CONV, Opcode.CHAIN, Opcode.MAX))
        await unit.run(opcode, random_fields(rng, opcode, counts))
        await bench.step(rng.randrange(3))


@cocotb.test()
async def long_loops(dut: Any) -> None:
    """Each loop once with its largest count."""
    bench = await start_bench(dut, make, "long loops")
    unit = Unit(bench, stalls=False)
    for name in COUNTS:
        counts = dict.fromkeys(COUNTS, 1) | {name: COMPUTE[name].limit}
        await unit.run(Opcode.CONV, random_fields(bench.rng, Opcode.CONV, counts))


@cocotb.test()
async def one_tap_a_cycle(dut: Any) -> None:
    bench = await start_bench(dut, make, "throughput")
    unit = Unit(bench, stalls=False)
    counts = {"groups": 2, "lines": 2, "positions": 5, "taps_ky": 3, "taps_kx": 3, "taps_c": 2}
    await unit.run(Opcode.CONV, random_fields(bench.rng, Opcode.CONV, counts))
    count = 2 * 2 * 5 * 18
    first = unit.memory.cycles[0]
    assert unit.memory.cycles == list(range(first, first + count))
    # From a request to its tap: the memory's latency and the queue.
    assert unit.sink.cycles == [cycle + unit.latency + 2 for cycle in unit.memory.cycles]
