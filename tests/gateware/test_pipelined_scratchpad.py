# SPDX-License-Identifier: BSD-2-Clause
"""PipelinedScratchpad: every byte, every grant and every latency, against a model of its rules."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.interfaces import read_latency
from celosia_hw.gateware.pipelined_scratchpad import FETCH_LATENCY, PipelinedScratchpad
from celosia_hw.gateware.scratchpad import PATIENCE
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench

READERS = 3
#: Requests of a reader that wait.
PLACES = 2


def make(config: dict[str, Any]) -> PipelinedScratchpad:
    return PipelinedScratchpad(AcceleratorConfig.from_dict(config), readers=READERS)


@pytest.mark.parametrize(
    ("rows", "lanes", "size"),
    [(2, 2, 128), (8, 4, 256), (8, 16, 512), (16, 2, 512), (16, 16, 1024)],
)
def test_pipelined_scratchpad(
    run_block: Callable[..., None], rows: int, lanes: int, size: int
) -> None:
    config = {
        "output_channels": rows,
        "input_channels": lanes,
        "chain_rows": 2,
        "scratch_bytes": size,
        "scratch_single_port": False,
        "multipliers": "mult18",
    }
    run_block(make, config=config)


class Model:
    """Random traffic on all ports; checks who is accepted, and all answers when they are due.

    Bytes that are written in the cycle of their read's grant may be old or new; all others must be
    exact.
    """

    def __init__(self, bench: Bench, config: AcceleratorConfig, busy: dict[str, float]) -> None:
        self.bench, self.config, self.busy = bench, config, busy
        self.width = config.word_bytes
        self.size = config.scratch_bytes
        # Few words, so that accesses meet.
        words = self.size // self.width
        self.words = [*range(6), *range(words - 4, words)]
        self.content: dict[int, int] = {}
        self.offers: dict[str, Any] = {}
        self.buffers: list[deque[int]] = [deque() for _ in range(READERS)]
        self.fetch_buffer: deque[dict[str, int]] = deque()
        self.waited = 0
        self.reads: deque[tuple[int, int, list[set[int]]]] = deque()
        self.fetches: deque[tuple[int, int, list[set[int]]]] = deque()
        self.granted = dict.fromkeys(["fetch", "write", *map(str, range(READERS))], 0)

    async def fill(self) -> None:
        bench = self.bench
        for word in self.words:
            value = bench.rng.getrandbits(8 * self.width)
            write = {"urgent": 0, "word": word, "data": value, "enable": (1 << self.width) - 1}
            bench.set("write__payload", write)
            bench.set("write__valid", 1)
            await bench.step()
            for byte in range(self.width):
                self.content[word * self.width + byte] = value >> 8 * byte & 255
        bench.set("write__valid", 0)

    def drive(self) -> None:
        bench, rng, width = self.bench, self.bench.rng, self.width
        if "fetch" not in self.offers and rng.random() < self.busy["fetch"]:
            while True:
                address = rng.choice(self.words) * width + rng.randrange(width)
                if (address + self.config.input_channels - 1) % self.size in self.content:
                    break
            self.offers["fetch"] = {"address": address, "tag": rng.getrandbits(6)}
        if rng.random() < self.busy["write"]:
            self.offers["write"] = {
                "urgent": rng.randrange(2),
                "word": rng.choice(self.words),
                "data": rng.getrandbits(8 * width),
                "enable": rng.choice((rng.getrandbits(width), (1 << width) - 1)),
            }
        for reader in map(str, range(READERS)):
            if reader not in self.offers and rng.random() < self.busy["read"]:
                self.offers[reader] = rng.choice(self.words)
        for name, port in self._ports().items():
            bench.set(f"{port}__valid", int(name in self.offers))
            if name in self.offers:
                bench.set(f"{port}__payload", self.offers[name])

    @staticmethod
    def _ports() -> dict[str, str]:
        readers = {str(index): f"reads__{index}__request" for index in range(READERS)}
        return {"fetch": "fetch__request", "write": "write"} | readers

    def _banks(self, address: int) -> set[int]:
        """The banks of a fetch."""
        ends = (address, address + self.config.input_channels - 1)
        return {end // self.width % 2 for end in ends}

    def sample(self) -> None:
        bench = self.bench
        urgent = self.waited == PATIENCE
        accepted = {"write"}
        if len(self.fetch_buffer) < PLACES:
            accepted.add("fetch")
        accepted |= {str(i) for i in range(READERS) if len(self.buffers[i]) < PLACES}
        for name, port in self._ports().items():
            if name in self.offers:
                assert bench.bits(f"{port}__ready") == (name in accepted), (bench.cycle, name)
        self._check_answers()
        written: dict[int, int] = {}
        if "write" in self.offers:
            write = self.offers["write"]
            for byte in range(self.width):
                if write["enable"] >> byte & 1:
                    written[write["word"] * self.width + byte] = write["data"] >> 8 * byte & 255
        fetched: set[int] = set()
        if self.fetch_buffer and not urgent:
            head = self.fetch_buffer.popleft()
            fetched = self._banks(head["address"])
            values = self._allowed(head["address"], self.config.input_channels, written)
            # A cycle has passed since it was accepted, as for reads.
            self.fetches.append((bench.cycle + FETCH_LATENCY - 1, head["tag"], values))
        first = next((i for i in range(READERS) if self.buffers[i]), None)
        if first is None:
            self.waited = 0
        elif self.buffers[first][0] % 2 in fetched:
            self.waited = min(self.waited + 1, PATIENCE)
        else:
            self.waited = 0
            values = self._allowed(self.buffers[first].popleft() * self.width, self.width, written)
            self.reads.append((bench.cycle + read_latency(self.config) - 1, first, values))
        self.content |= written
        for name in accepted & self.offers.keys():
            self.granted[name] += 1
            offer = self.offers.pop(name)
            if name == "fetch":
                self.fetch_buffer.append(offer)
            elif name.isdigit():
                self.buffers[int(name)].append(offer)

    def _allowed(self, start: int, count: int, written: dict[int, int]) -> list[set[int]]:
        """For each byte the values that a read may see."""
        addresses = [(start + i) % self.size for i in range(count)]
        return [{self.content[a], written.get(a, self.content[a])} for a in addresses]

    def _check_answers(self) -> None:
        bench = self.bench
        due = self.reads and self.reads[0][0] == bench.cycle
        _, reader, values = self.reads.popleft() if due else (0, -1, [])
        for index in range(READERS):
            assert bench.bits(f"reads__{index}__valid") == (index == reader)
            if index == reader:
                self._compare(bench.bits(f"reads__{index}__data"), values)
        due = self.fetches and self.fetches[0][0] == bench.cycle
        assert bench.bits("fetch__valid") == bool(due)
        if due:
            _, tag, values = self.fetches.popleft()
            self._compare(bench.bits("fetch__data"), values)
            assert bench.bits("fetch__tag") == tag

    @staticmethod
    def _compare(data: int, values: list[set[int]]) -> None:
        seen = [data >> 8 * index & 255 for index in range(len(values))]
        assert all(value in allowed for value, allowed in zip(seen, values, strict=True))


async def traffic(dut: Any, name: str, cycles: int, **busy: float) -> Model:
    bench = await start_bench(dut, make, name)
    config = AcceleratorConfig.from_dict(block_parameters()["config"])
    model = Model(bench, config, busy)
    await model.fill()
    bench.agents.append(model)
    await bench.step(cycles)
    return model


@cocotb.test()
async def all_busy(dut: Any) -> None:
    model = await traffic(dut, "busy", 1500, fetch=1.0, write=0.6, read=0.5)
    # Readers have a fixed order: the others come through when the first one wants nothing.
    assert all(model.granted[name] > 30 for name in ("fetch", "write", "0")), model.granted


@cocotb.test()
async def some_busy(dut: Any) -> None:
    model = await traffic(dut, "some", 1500, fetch=0.4, write=0.3, read=0.1)
    assert all(count > 50 for count in model.granted.values()), model.granted


@cocotb.test()
async def a_fetch_and_a_write_each_cycle(dut: Any) -> None:
    model = await traffic(dut, "fetch", 300, fetch=1.0, write=1.0, read=0.0)
    assert model.granted["fetch"] == model.granted["write"] == 300


@cocotb.test()
async def a_word_each_cycle(dut: Any) -> None:
    model = await traffic(dut, "words", 300, fetch=0.0, write=1.0, read=1.0)
    assert model.granted["0"] == 300


@cocotb.test()
async def reads_wait_no_longer_than_patience(dut: Any) -> None:
    model = await traffic(dut, "patience", 400, fetch=1.0, write=0.0, read=1.0)
    # Always one reader more urgent than the others: it gets a word in one of PATIENCE + 1 cycles at
    # least, and the fetch unit loses no more than these.
    assert model.granted["0"] >= 400 // (PATIENCE + 1)
    assert model.granted["fetch"] >= 400 - model.granted["0"]
