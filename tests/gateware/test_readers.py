# SPDX-License-Identifier: BSD-2-Clause
"""WordReader and UnitReader: runs of words and of units, in order, and none too many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.readers import UnitReader, WordReader
from celosia_hw.isa import ADDRESS_BITS
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, never
from celosia_sim.rtl.memory_ports import WordMemory
from celosia_sim.rtl.streams import StreamSink, StreamSource

#: The largest scratchpad: addresses wrap at its end.
SIZE = 1 << ADDRESS_BITS


def make(word_bytes: int, units: bool) -> WordReader | UnitReader:
    config = AcceleratorConfig(
        output_channels=word_bytes, input_channels=2, chain_rows=2, scratch_bytes=2 * word_bytes
    )
    return UnitReader(config) if units else WordReader(config)


@pytest.mark.parametrize("units", [False, True])
@pytest.mark.parametrize("word_bytes", [4, 8, 16])
def test_readers(run_block: Callable[..., None], word_bytes: int, units: bool) -> None:
    run_block(make, word_bytes=word_bytes, units=units)


class Reader:
    """The block, a memory, and how both readers' commands look."""

    def __init__(self, bench: Bench, latency: int, *, stalls: bool) -> None:
        parameters = block_parameters()
        self.bench = bench
        self.word_bytes: int = parameters["word_bytes"]
        self.units: bool = parameters["units"]
        #: Bytes of an item that the block sends.
        self.item = 4 if self.units else self.word_bytes
        self.content = bytearray(bench.numpy.bytes(SIZE))
        stall = bench.stalls if stalls else lambda: never
        self.source = StreamSource(bench, "i", stall())
        self.memory = WordMemory(bench, "read", self.content, stall(), latency=latency)
        self.sink = StreamSink(bench, "o", stall())
        self.expected: list[int] = []
        self.words: list[int] = []

    def command(self, first: int, count: int) -> None:
        """Asks for ``count`` items from item ``first`` on."""
        if self.units:
            self.source.send([{"address": first * 4, "units": count}])
        else:
            self.source.send([{"first": first, "words": count}])
        for index in range(first, first + count):
            start = index * self.item % SIZE
            item = self.content[start : start + self.item]
            self.expected.append(int.from_bytes(item, "little"))
        last = (first + count - 1) * self.item // self.word_bytes
        words = SIZE // self.word_bytes
        self.words += [w % words for w in range(first * self.item // self.word_bytes, last + 1)]

    async def finish(self) -> None:
        await self.bench.run(lambda: len(self.sink.values) == len(self.expected), limit=100_000)
        await self.bench.step(20)
        assert self.sink.values == self.expected
        assert self.memory.values == self.words


async def random_commands(dut: Any, latency: int) -> None:
    bench = await start_bench(dut, make, f"random {latency}")
    reader = Reader(bench, latency, stalls=True)
    items = SIZE // reader.item
    for _ in range(60):
        first = bench.rng.choice((bench.rng.randrange(items), items - bench.rng.randint(1, 6)))
        reader.command(first, bench.rng.choice((1, 2, 3, bench.rng.randint(4, 40))))
    await reader.finish()


@cocotb.test()
async def random_commands_latency_1(dut: Any) -> None:
    await random_commands(dut, 1)


@cocotb.test()
async def random_commands_latency_2(dut: Any) -> None:
    await random_commands(dut, 2)


async def throughput(dut: Any, latency: int) -> None:
    bench = await start_bench(dut, make, f"throughput {latency}")
    reader = Reader(bench, latency, stalls=False)
    reader.command(3, 64)
    await reader.finish()
    cycles = reader.sink.cycles
    # Taken, requested, answered, queued, sent.
    assert cycles[0] - reader.source.cycles[0] == latency + 2
    if reader.item == 4:
        assert cycles == list(range(cycles[0], cycles[0] + 64))
    else:
        # Three words in flight: enough for the units of a wide word, one a cycle.
        assert cycles[-1] - cycles[0] <= 63 * (reader.word_bytes // 4)


@cocotb.test()
async def throughput_latency_1(dut: Any) -> None:
    await throughput(dut, 1)


@cocotb.test()
async def throughput_latency_2(dut: Any) -> None:
    await throughput(dut, 2)
