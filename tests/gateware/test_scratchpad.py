# SPDX-License-Identifier: BSD-2-Clause
"""Scratchpad: every byte, every grant and every latency, against a model of its rules."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.scratchpad import PATIENCE, Scratchpad
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench

READERS = 3


def make(config: dict[str, Any]) -> Scratchpad:
    return Scratchpad(AcceleratorConfig.from_dict(config), readers=READERS)


@pytest.mark.parametrize(
    ("rows", "lanes", "size", "single_port"),
    [
        (4, 4, 256, True),
        (2, 8, 256, True),
        (8, 2, 512, True),
        (16, 16, 512, True),
        (4, 4, 256, False),
        (8, 16, 512, False),
    ],
)
def test_scratchpad(
    run_block: Callable[..., None],
    rows: int,
    lanes: int,
    size: int,
    single_port: bool,
) -> None:
    config = {
        "output_channels": rows,
        "input_channels": lanes,
        "chain_rows": 2,
        "scratch_bytes": size,
        "scratch_single_port": single_port,
    }
    run_block(make, config=config)


@dataclass
class Claim:
    """What an access wants: banks, and whether it gets them all."""

    name: str
    banks: set[int]


def grants(claims: list[Claim]) -> set[str]:
    """Names of the claims that win all of their banks; an earlier claim wins a bank."""
    winner: dict[int, str] = {}
    for claim in claims:
        for bank in claim.banks:
            winner.setdefault(bank, claim.name)
    return {c.name for c in claims if all(winner[bank] == c.name for bank in c.banks)}


class Model:
    """Random traffic on all ports; checks grants in the cycle, and answers when they are due.

    Bytes that are written in the cycle of their read may be old or new; all others must be exact.
    Beyond its end a memory whose size is a power of two begins anew: so the end of the address
    space, behind which a fetch goes on at 0, need not be the end of a memory of 1 MiB.
    """

    def __init__(self, bench: Bench, config: AcceleratorConfig, busy: dict[str, float]) -> None:
        self.bench, self.config, self.busy = bench, config, busy
        self.width = config.word_bytes
        self.single = config.scratch_single_port
        self.latency = 1 if self.single else 2
        self.size = config.scratch_bytes
        # Few words, so that accesses meet.
        words = self.size // self.width
        last = (1 << config.address_bits) // self.width
        self.words = [*range(10), *range(words - 6, words), *range(last - 6, last)]
        self.content: dict[int, int] = {}
        self.offers: dict[str, Any] = {}
        self.waited = 0
        # The reader that a cycle before was the first of those that wait.
        self.chosen = "0"
        self.reads: deque[tuple[int, int, list[set[int]]]] = deque()
        self.fetches: deque[tuple[int, int, list[set[int]]]] = deque()
        self.granted = dict.fromkeys(["fetch", "write", *map(str, range(READERS))], 0)

    async def fill(self) -> None:
        bench = self.bench
        for word in self.words:
            value = bench.rng.getrandbits(8 * self.width)
            write = {"urgent": 1, "word": word, "data": value, "enable": (1 << self.width) - 1}
            bench.set("write__payload", write)
            bench.set("write__valid", 1)
            await bench.step()
            for byte in range(self.width):
                self.content[(word * self.width + byte) % self.size] = value >> 8 * byte & 255
        bench.set("write__valid", 0)

    def _offer(self) -> None:
        """New accesses where there is none that waits."""
        rng, width = self.bench.rng, self.width
        if "fetch" not in self.offers and rng.random() < self.busy["fetch"]:
            while True:
                address = rng.choice(self.words) * width + rng.randrange(width)
                last = (address + self.config.input_channels - 1) % self.size
                if last in self.content:
                    break
            self.offers["fetch"] = {"address": address, "tag": rng.getrandbits(6)}
        if "write" not in self.offers and rng.random() < self.busy["write"]:
            self.offers["write"] = {
                "urgent": int(rng.random() < self.busy["urgent"]),
                "word": rng.choice(self.words),
                "data": rng.getrandbits(8 * width),
                "enable": rng.choice((rng.getrandbits(width), (1 << width) - 1)),
            }
        for reader in map(str, range(READERS)):
            if reader not in self.offers and rng.random() < self.busy["read"]:
                self.offers[reader] = rng.choice(self.words)

    def drive(self) -> None:
        bench = self.bench
        self._offer()
        ports = {"fetch": "fetch__request", "write": "write"}
        ports |= {str(i): f"reads__{i}__request" for i in range(READERS)}
        for name, port in ports.items():
            bench.set(f"{port}__valid", int(name in self.offers))
            if name in self.offers:
                bench.set(f"{port}__payload", self.offers[name])
            elif name == "write":
                bench.set_bits(f"{port}__payload", 0)

    def _first_reader(self) -> str | None:
        return next((str(i) for i in range(READERS) if str(i) in self.offers), None)

    def _expected_grants(self) -> tuple[set[str], str | None]:
        reader = self.chosen if self.chosen in self.offers else None
        claims = []
        write = None
        if "write" in self.offers:
            write = Claim("write", {self.offers["write"]["word"] % 2})
        if write and self.single and self.offers["write"]["urgent"]:
            claims.append(write)
        read = Claim(reader, {self.offers[reader] % 2}) if reader is not None else None
        if read and self.waited == PATIENCE:
            claims.append(read)
        if "fetch" in self.offers:
            address = self.offers["fetch"]["address"]
            ends = (address, address + self.config.input_channels - 1)
            # A read that is urgent stops fetches from either bank.
            if self.waited < PATIENCE:
                claims.append(Claim("fetch", {end // self.width % 2 for end in ends}))
        if write and self.single and write not in claims and self.waited < PATIENCE:
            claims.append(write)
        if read and read not in claims:
            claims.append(read)
        granted = grants(claims)
        if write and not self.single:
            granted.add("write")
        return granted, reader

    def sample(self) -> None:
        bench = self.bench
        granted, reader = self._expected_grants()
        for name, port in (
            ("fetch", "fetch__request"),
            ("write", "write"),
            *((str(i), f"reads__{i}__request") for i in range(READERS)),
        ):
            if name in self.offers:
                assert bench.bits(f"{port}__ready") == (name in granted), (bench.cycle, name)
        self._check_answers()
        written: dict[int, int] = {}
        if "write" in granted:
            write = self.offers["write"]
            for byte in range(self.width):
                if write["enable"] >> byte & 1:
                    address = (write["word"] * self.width + byte) % self.size
                    written[address] = write["data"] >> 8 * byte & 255
        if reader in granted:
            assert reader is not None
            start = self.offers[reader] * self.width
            values = self._allowed(start, self.width, written)
            self.reads.append((bench.cycle + self.latency, int(reader), values))
        if "fetch" in granted:
            offer = self.offers["fetch"]
            values = self._allowed(offer["address"], self.config.input_channels, written)
            self.fetches.append((bench.cycle + self.latency + 1, offer["tag"], values))
        self.content |= written
        waits = reader is not None and reader not in granted
        self.waited = min(self.waited + 1, PATIENCE) if waits else 0
        self.chosen = self._first_reader() or self.chosen
        for name in granted:
            self.granted[name] += 1
            del self.offers[name]

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
                data = bench.bits(f"reads__{index}__data")
                seen = [data >> 8 * i & 255 for i in range(self.width)]
                assert all(value in allowed for value, allowed in zip(seen, values, strict=True))
        due = self.fetches and self.fetches[0][0] == bench.cycle
        assert bench.bits("fetch__valid") == bool(due)
        if due:
            _, tag, values = self.fetches.popleft()
            data = bench.bits("fetch__data")
            seen = [data >> 8 * i & 255 for i in range(self.config.input_channels)]
            assert all(value in allowed for value, allowed in zip(seen, values, strict=True))
            assert bench.bits("fetch__tag") == tag


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
    model = await traffic(dut, "busy", 1500, fetch=1.0, write=0.6, urgent=0.5, read=0.5)
    # Readers have a fixed order: the others come through when the first one wants nothing.
    assert all(model.granted[name] > 30 for name in ("fetch", "write", "0")), model.granted


@cocotb.test()
async def some_busy(dut: Any) -> None:
    model = await traffic(dut, "some", 1500, fetch=0.4, write=0.3, urgent=0.3, read=0.1)
    assert all(count > 50 for count in model.granted.values()), model.granted


@cocotb.test()
async def a_fetch_each_cycle(dut: Any) -> None:
    model = await traffic(dut, "fetch", 300, fetch=1.0, write=0.0, urgent=0.0, read=0.0)
    assert model.granted["fetch"] == 300


@cocotb.test()
async def reads_wait_no_longer_than_patience(dut: Any) -> None:
    model = await traffic(dut, "patience", 400, fetch=1.0, write=0.0, urgent=0.0, read=1.0)
    # Always one reader more urgent than the others: it gets a word in one of PATIENCE + 1 cycles
    # at least, and the fetch unit loses no more than these.
    assert model.granted["0"] >= 400 // (PATIENCE + 1)
    assert model.granted["fetch"] >= 400 - model.granted["0"]


@cocotb.test()
async def a_write_each_cycle(dut: Any) -> None:
    fetch = 0.0 if block_parameters()["config"]["scratch_single_port"] else 1.0
    model = await traffic(dut, "write", 300, fetch=fetch, write=1.0, urgent=0.0, read=0.0)
    assert model.granted["write"] == 300
    assert model.granted["fetch"] == 300 * fetch
