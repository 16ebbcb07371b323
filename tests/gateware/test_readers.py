# SPDX-License-Identifier: BSD-2-Clause
"""UnitReader: units in order, no more words than asked for, and none that finds no room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.interfaces import has_pipelined_scratchpad, read_latency
from celosia_hw.gateware.readers import UnitReader
from celosia_hw.isa import ADDRESS_BITS
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, never
from celosia_sim.rtl.memory_ports import BufferedWordMemory, WordMemory

#: The largest scratchpad: addresses wrap at its end.
SIZE = 1 << ADDRESS_BITS


def make(word_bytes: int, single_port: bool, multipliers: str) -> UnitReader:
    return UnitReader(
        AcceleratorConfig(
            output_channels=word_bytes,
            input_channels=2,
            chain_rows=2,
            scratch_bytes=SIZE,
            scratch_single_port=single_port,
            multipliers=multipliers,
        )
    )


@pytest.mark.parametrize(
    ("single_port", "multipliers"),
    [(True, "mac16"), (False, "mac16"), (False, "mult18")],
    ids=["single-port", "two-port", "pipelined"],
)
@pytest.mark.parametrize("word_bytes", [4, 8, 16])
def test_unit_reader(
    run_block: Callable[..., None], word_bytes: int, single_port: bool, multipliers: str
) -> None:
    run_block(make, word_bytes=word_bytes, single_port=single_port, multipliers=multipliers)


class Consumer:
    """Reads runs of units, as those do that use the block: asks for no more words than it needs.

    A consumer that ``pauses`` asks only while nothing is on its way, and takes the units of a wide
    word when it likes.
    """

    def __init__(self, bench: Bench, *, stalls: bool, pauses: bool) -> None:
        parameters = block_parameters()
        self.bench = bench
        self.word_units: int = parameters["word_bytes"] // 4
        self.ahead = make(**parameters).ahead
        self.content = bytearray(bench.numpy.bytes(SIZE))
        stall = bench.stalls if stalls else lambda: never
        config = make(**parameters).config
        self.pipelined = has_pipelined_scratchpad(config)
        kind = BufferedWordMemory if self.pipelined else WordMemory
        latency = read_latency(config)
        self.memory = kind(bench, "read", self.content, stall(), latency=latency)
        self.asks_not = stall()
        self.takes_not = bench.stalls() if pauses else never
        self.pauses = pauses
        self.address = 0
        self.to_ask = self.left = 0  # units not requested, and units not taken
        self.drop = False
        self.waiting = False
        self.units: list[int] = []
        self.cycles: list[int] = []
        self.asked = 0  # in this cycle a run began
        bench.agents.append(self)

    def drive(self) -> None:
        bench = self.bench
        idle = self.to_ask == self.left
        self.asks = self.to_ask > 0 and (idle or not self.pauses) and not self.asks_not()
        bench.set("ask", int(self.asks))
        bench.set("address", self.address)
        self.takes = self.word_units == 1 or not self.takes_not()
        bench.set("take", int(self.takes))
        bench.set("drop", int(self.drop))

    def sample(self) -> None:
        bench = self.bench
        if not self.drop:
            assert bench.get("idle") == (self.to_ask == self.left)
        requested = bench.bits("read__request__valid")
        if requested and not self.waiting:
            assert self.asks
            assert self.left - self.to_ask <= self.ahead
        self.waiting = bool(requested) and not bench.get("granted")
        if bench.get("valid") and not self.drop and self.takes:
            assert self.left > 0, "a unit that nobody asked for"
            self.units.append(bench.get("unit"))
            self.cycles.append(bench.cycle)
            self.left -= 1
        if bench.get("granted"):
            following = (self.address // self.word_units + 1) * self.word_units
            self.to_ask -= min(following - self.address, self.to_ask)
            self.address = following % (SIZE // 4)

    async def read(self, address: int, count: int) -> None:
        """Reads ``count`` units from unit ``address`` on, and compares them."""
        bench = self.bench
        self.address = address
        self.to_ask = self.left = count
        self.units.clear()
        self.cycles.clear()
        requests = len(self.memory.values)
        self.asked = bench.cycle
        await bench.run(lambda: self.left == 0, limit=50 * count + 200)
        # What is left of the last word.
        self.drop = True
        await bench.step()
        self.drop = False
        expected = []
        for index in range(address, address + count):
            start = 4 * index % SIZE
            expected.append(int.from_bytes(self.content[start : start + 4], "little"))
        assert self.units == expected
        words = range(address // self.word_units, (address + count - 1) // self.word_units + 1)
        word_count = SIZE // 4 // self.word_units
        assert self.memory.values[requests:] == [word % word_count for word in words]


async def random_runs(dut: Any, *, pauses: bool) -> None:
    bench = await start_bench(dut, make, f"random runs {pauses}")
    consumer = Consumer(bench, stalls=True, pauses=pauses)
    for _ in range(60):
        end = SIZE // 4
        address = bench.rng.choice((bench.rng.randrange(end), end - bench.rng.randint(1, 6)))
        await consumer.read(address, bench.rng.choice((1, 2, 3, bench.rng.randint(4, 40))))
        await bench.step(bench.rng.randrange(3))


@cocotb.test()
async def random_runs_without_pauses(dut: Any) -> None:
    await random_runs(dut, pauses=False)


@cocotb.test()
async def random_runs_with_pauses(dut: Any) -> None:
    await random_runs(dut, pauses=True)


@cocotb.test()
async def one_unit_a_cycle(dut: Any) -> None:
    bench = await start_bench(dut, make, "throughput")
    consumer = Consumer(bench, stalls=False, pauses=False)
    units = consumer.word_units
    latency = read_latency(make(**block_parameters()).config)
    each = latency if consumer.pipelined and units > 1 else units  # cycles of a word
    for first in range(consumer.word_units):
        await consumer.read(32 + first, 64)
        begin = consumer.cycles[0]
        assert begin - consumer.asked == latency + (units > 1)
        if first == 0:
            expected = [begin + unit // units * each + unit % units for unit in range(64)]
            assert consumer.cycles == expected
