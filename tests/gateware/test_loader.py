# SPDX-License-Identifier: BSD-2-Clause
"""RingLoader: rows arrive in order, wrap, and are never overwritten before they are freed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import cocotb
import pytest
from amaranth.hdl import Module, Mux
from amaranth.lib import wiring

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.interfaces import read_latency
from celosia_hw.gateware.loader import RingLoader
from celosia_hw.isa import EXTERNAL_ADDRESS_BITS, Source
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, never
from celosia_sim.rtl.memory_ports import BufferedWordMemory, WordMemory
from celosia_sim.rtl.streams import StreamSink, StreamSource

SIZE = 1 << 16

#: Places of segments outside, in multiples of SIZE.
_BEYOND = (1 << EXTERNAL_ADDRESS_BITS) // SIZE - 1


class Loader(wiring.Component):
    """The loader, with the choice of what is written that is outside of it."""

    def __init__(self, loader: RingLoader) -> None:
        self.loader = loader
        self.config = loader.config
        members = dict(loader.signature.members.items())
        super().__init__({name: members[name] for name in members if name not in ("unit", "data")})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader = loader = self.loader
        for name, member in self.signature.members.items():
            ours, theirs = getattr(self, name), getattr(loader, name)
            if not member.is_port:
                wiring.connect(m, wiring.flipped(ours), theirs)
            elif member.flow is wiring.In:
                m.d.comb += theirs.eq(ours)
            else:
                m.d.comb += ours.eq(theirs)
        m.d.comb += loader.data.eq(Mux(loader.idle, loader.host.payload, loader.unit))
        return m


def make(
    word_bytes: int, single_port: bool, depth: int, chunks: int, free_limit: int, external: bool
) -> Loader:
    config = AcceleratorConfig(
        output_channels=word_bytes,
        input_channels=2,
        chain_rows=2,
        scratch_bytes=SIZE,
        scratch_single_port=single_port,
        multipliers="mac16" if single_port else "mult18",
    )
    return Loader(
        RingLoader(config, depth=depth, chunks=chunks, free_limit=free_limit, external=external)
    )


@pytest.mark.parametrize("single_port", [True, False], ids=["single-port", "pipelined"])
@pytest.mark.parametrize(
    "parameters",
    [
        # Weights of a 2x2, a 4x4, an 8x8 and an 8x16 array; one depth is no power of two.
        {"word_bytes": 4, "depth": 16, "chunks": 1, "free_limit": 1, "external": True},
        {"word_bytes": 4, "depth": 24, "chunks": 4, "free_limit": 1, "external": True},
        {"word_bytes": 8, "depth": 16, "chunks": 16, "free_limit": 1, "external": True},
        {"word_bytes": 16, "depth": 16, "chunks": 32, "free_limit": 1, "external": True},
        # Parameters: a wide entry, and four lanes.
        {"word_bytes": 4, "depth": 20, "chunks": 3, "free_limit": 4, "external": False},
        {"word_bytes": 16, "depth": 32, "chunks": 8, "free_limit": 4, "external": False},
    ],
    ids=["2x2", "4x4", "8x8", "8x16", "wide-entry", "four-lanes"],
)
def test_ring_loader(
    run_block: Callable[..., None], parameters: dict[str, Any], single_port: bool
) -> None:
    run_block(make, single_port=single_port, **parameters)


class Ring:
    """What surrounds a loader: a list of segments, the memory it fills, and who frees rows.

    Checks in each cycle that a unit goes where it belongs, that its row is free, and ``level``. The
    external memory has the same contents as the scratchpad, at addresses ``beyond``.
    """

    def __init__(self, bench: Bench, *, stalls: bool) -> None:
        parameters = block_parameters()
        self.bench = bench
        self.depth: int = parameters["depth"]
        self.chunks: int = parameters["chunks"]
        self.free_limit: int = parameters["free_limit"]
        self.external: bool = parameters["external"]
        self.stall = bench.stalls if stalls else lambda: never
        self.content = bytearray(bench.numpy.bytes(SIZE))
        self.config = make(**parameters).config
        kind = WordMemory if parameters["single_port"] else BufferedWordMemory
        latency = read_latency(self.config)
        self.memory = kind(bench, "read", self.content, self.stall(), latency=latency)
        self.answered = 0
        if self.external:
            self.requests = StreamSink(bench, "external__request", self.stall())
            self.units = StreamSource(bench, "external__units", self.stall())
        self.host = StreamSource(bench, "host", self.stall())
        self.rows: dict[int, list[int]] = {}
        self.restart([])
        self.hold = False
        self.eager = False  # whether a row is freed as soon as it is complete
        self.stopped = False
        self.counts = True  # whether rows that are complete raise the level
        bench.agents.append(self)

    def restart(self, expected: list[int]) -> None:
        """From here on the units ``expected`` arrive, from row 0 on."""
        self.expected = expected
        self.write_cycles: list[int] = []
        self.freed = 0
        self.first_row = 0

    @property
    def level(self) -> int:
        return len(self.write_cycles) // self.chunks - self.freed if self.counts else 0

    def drive(self) -> None:
        if self.external:
            for request in self.requests.values[self.answered :]:
                self.units.send(self.units_at(request["address"] % SIZE, request["units"]))
                self.answered += 1
        self.freeing = 0
        if not self.hold and self.counts and self.level and not self.free_stall():
            self.freeing = self.bench.rng.randint(1, min(self.level, self.free_limit))
        self.bench.set("freed", self.freeing)

    def free_stall(self) -> bool:
        return not self.eager and self.bench.rng.random() < 0.8 / self.chunks

    def sample(self) -> None:
        bench = self.bench
        if self.stopped:
            assert not bench.bits("ram__enable"), "a unit after a stop"
            return
        if self.counts:
            assert bench.get("level") == self.level
        number = len(self.write_cycles)
        completes = bench.bits("ram__enable") and number % self.chunks == self.chunks - 1
        assert bench.get("arrived") == int(completes and self.counts)
        if bench.bits("ram__enable"):
            row = number // self.chunks
            assert not self.counts or row - self.freed < self.depth, "a row in use is overwritten"
            assert bench.get("ram__row") == (self.first_row + row) % self.depth
            assert bench.get("ram__chunk") == number % self.chunks
            assert bench.get("ram__data") == self.expected[number]
            self.write_cycles.append(bench.cycle)
        self.freed += self.freeing

    def units_at(self, address: int, count: int) -> list[int]:
        end = address + 4 * count
        return list(struct.unpack(f"<{count}I", self.content[address:end]))

    def place(
        self, lengths: list[int], address: int, beyond: int = 0
    ) -> tuple[list[dict[str, int]], list[int]]:
        """Writes a list of segments of these lengths; returns the segments and their units."""
        rng = self.bench.rng
        # Lists lie at the end, where segments do not reach.
        assert SIZE - 4096 <= address < SIZE - 8 * len(lengths) - 8
        segments = []
        units: list[int] = []
        for length in lengths:
            start = 4 * rng.randrange((SIZE - 4096) // 4 - length)
            units += self.units_at(start, length)
            segments.append({"address": beyond + start, "units": length})
            self.content[address : address + 8] = struct.pack("<2I", beyond + start, length)
            address += 8
        # The address of the last segment, which has no units, means nothing.
        self.content[address : address + 8] = struct.pack("<2I", rng.getrandbits(32), 0)
        return segments, units

    async def start(self, source: Source, list_address: int, expected: list[int]) -> None:
        bench = self.bench
        bench.set("start", 1)
        bench.set("source", source)
        bench.set("list", list_address)
        # What the level was before ends with this cycle.
        hold, self.hold = self.hold, True
        await bench.step()
        self.hold = hold
        self.counts = True
        self.stopped = False
        self.restart(expected)
        bench.set("start", 0)
        bench.set("source", bench.rng.choice(list(Source)))
        bench.set("list", 4 * bench.rng.getrandbits(10))

    async def stop(self) -> None:
        """Stops, as the scratchpad does with what is on its way."""
        bench = self.bench
        bench.set("stop", 1)
        await bench.step()
        bench.set("stop", 0)
        self.stopped = True
        self.counts = False
        self.memory.reset()
        if self.external:
            self.requests.reset()

    async def run_list(self, lengths: list[int], source: Source) -> None:
        """Loads segments of these lengths and waits for the end."""
        bench = self.bench
        address = SIZE - 4096 + 4 * bench.rng.randrange(256)
        beyond = SIZE * bench.rng.randrange(_BEYOND) if source == Source.EXTERNAL else 0
        segments, units = self.place(lengths, address, beyond)
        asked = len(self.requests.values) if self.external else 0
        await self.start(source, address, units)
        done = lambda: len(self.write_cycles) == len(units) and bench.get("idle")  # noqa: E731
        await bench.run(done, limit=200_000)
        await bench.step(10)
        assert len(self.write_cycles) == len(units)
        if source == Source.EXTERNAL:
            assert self.requests.values[asked:] == segments

    async def drain(self) -> None:
        await self.bench.run(lambda: self.level == 0, limit=10_000)


def random_lengths(bench: Bench, ring: Ring, rows: int) -> list[int]:
    """Segments that fill ``rows`` rows together, but end anywhere within them."""
    left = rows * ring.chunks
    lengths = []
    while left:
        lengths.append(min(left, bench.rng.choice((1, 2, bench.rng.randint(1, 5 * ring.chunks)))))
        left -= lengths[-1]
    return lengths


@cocotb.test()
async def random_lists(dut: Any) -> None:
    bench = await start_bench(dut, make, "random lists")
    ring = Ring(bench, stalls=True)
    sources = [Source.SCRATCH, *([Source.EXTERNAL] if ring.external else [])]
    for source in (*sources, *sources):
        await ring.run_list(random_lengths(bench, ring, 3 * ring.depth), source)
        # The next list starts with whatever is left in the ring.
        await bench.step(bench.rng.randrange(10))
    await ring.drain()


@cocotb.test()
async def waits_for_space(dut: Any) -> None:
    bench = await start_bench(dut, make, "space")
    ring = Ring(bench, stalls=False)
    address = SIZE - 64
    _, units = ring.place([ring.chunks * (ring.depth + 2)], address)
    await ring.start(Source.SCRATCH, address, units)
    ring.hold = True
    await bench.step(2 * ring.chunks * (ring.depth + 8) + 50)
    assert ring.level == ring.depth
    assert not bench.get("idle")
    ring.hold = False
    await bench.run(lambda: len(ring.write_cycles) == len(units), limit=10_000)
    await ring.drain()
    await bench.step(20)
    assert bench.get("idle")


@cocotb.test()
async def host_writes(dut: Any) -> None:
    """The host fills rows in any order of its choice; they do not count as a ring's."""
    bench = await start_bench(dut, make, "host")
    ring = Ring(bench, stalls=True)
    await ring.run_list(random_lengths(bench, ring, ring.depth), Source.SCRATCH)
    await ring.drain()
    await ring.start(Source.RESIDENT, 0, [])
    assert bench.get("idle")
    ring.counts = False
    for row, rows in ((0, ring.depth), (ring.depth - 2, 5), (5, 1)):
        bench.set("host_set", 1)
        bench.set("host_row", row)
        await bench.step()
        bench.set("host_set", 0)
        # A row of the host's has a power of two of units.
        stride = 1 << (ring.chunks - 1).bit_length()
        sent = [bench.rng.getrandbits(32) for _ in range(rows * stride)]
        units = [unit for index, unit in enumerate(sent) if index % stride < ring.chunks]
        ring.restart(units)
        ring.first_row = row
        ring.host.send(sent)
        await bench.run(lambda: ring.host.done, limit=50_000)
        assert len(ring.write_cycles) == len(units)
    assert bench.get("level") == 0


@cocotb.test()
async def host_waits_while_loading(dut: Any) -> None:
    bench = await start_bench(dut, make, "host waits")
    ring = Ring(bench, stalls=False)
    address = SIZE - 64
    _, units = ring.place([ring.chunks * 3], address)
    ring.hold = True
    await ring.start(Source.SCRATCH, address, units)
    extra = [bench.rng.getrandbits(32) for _ in range(ring.chunks)]
    ring.host.send(extra)
    ring.expected = units + extra
    await bench.run(lambda: bench.get("idle") == 1, limit=1000)
    assert len(ring.write_cycles) == len(units)
    assert not ring.host.cycles
    ring.counts = False
    await bench.run(lambda: ring.host.done, limit=100)
    assert len(ring.write_cycles) == len(units) + len(extra)
    # The level stays that of the ring.
    assert bench.get("level") == 3


@cocotb.test()
async def one_unit_a_cycle(dut: Any) -> None:
    bench = await start_bench(dut, make, "throughput")
    ring = Ring(bench, stalls=False)
    sources = [Source.SCRATCH, *([Source.EXTERNAL] if ring.external else [])]
    # Each row is freed at once: the last rows that are free may take longer.
    ring.eager = True
    # So may the first and the last words of a segment.
    count = ring.chunks * 2 * ring.depth
    # With a pipelined scratchpad a wide word is asked for when the one before arrives.
    parameters = block_parameters()
    words = 4 * count // parameters["word_bytes"]
    slow = parameters["word_bytes"] > 4 and not parameters["single_port"]
    for source in sources:
        await ring.run_list([count], source)
        cycles = ring.write_cycles
        if source == Source.SCRATCH and slow:
            assert cycles[-1] - cycles[0] <= read_latency(ring.config) * words + 24
            continue
        assert cycles[-1] - cycles[0] <= count + 16
        steady = cycles if source == Source.EXTERNAL else cycles[4:-8]
        assert steady == list(range(steady[0], steady[0] + len(steady)))
        await ring.drain()


@cocotb.test()
async def stop(dut: Any) -> None:
    """After a stop at any moment a list is loaded as if nothing had been before."""
    bench = await start_bench(dut, make, "stop")
    ring = Ring(bench, stalls=True)
    sources = [Source.SCRATCH, *([Source.EXTERNAL] if ring.external else [])]
    owed = 0
    for _ in range(60):
        address = SIZE - 2048
        _, units = ring.place(random_lengths(bench, ring, ring.depth), address)
        await ring.start(bench.rng.choice(sources), address, units)
        await bench.step(bench.rng.randrange(bench.rng.choice((30, 2 * len(units)))))
        await ring.stop()
        if ring.external:
            owed += len(ring.units.pending)
        await bench.step(bench.rng.choice((0, 1, bench.rng.randrange(20))))
        # This may begin while units are still to come that were asked for before.
        await ring.run_list(random_lengths(bench, ring, ring.depth), bench.rng.choice(sources))
    assert bool(owed) == ring.external
