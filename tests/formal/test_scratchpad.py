# SPDX-License-Identifier: BSD-2-Clause
"""Scratchpads: every byte, every grant, every latency, and that nobody starves."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal, Value
from amaranth.lib import data

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware import pipelined_scratchpad
from celosia_hw.gateware.interfaces import read_latency
from celosia_hw.gateware.pipelined_scratchpad import FETCH_LATENCY, PipelinedScratchpad
from celosia_hw.gateware.scratchpad import PATIENCE, Scratchpad
from celosia_hw.gateware.skid_buffer import SkidBuffer
from celosia_sim.formal import Block, Harness, RefutedError, prove, prove_all
from celosia_sim.formal.streams import Passage, assert_skid_buffer, assume_stream

READERS = 3


def make_config(rows: int, lanes: int, words: int, kind: str) -> AcceleratorConfig:
    return AcceleratorConfig(
        output_channels=rows,
        input_channels=lanes,
        chain_rows=2,
        scratch_bytes=max(4, rows, lanes) * words,
        scratch_single_port=kind == "single",
        multipliers="mult18" if kind == "pipelined" else "fabric",
    )


class Watch:
    """One byte of the scratchpad, any one: what was written to it last."""

    def __init__(self, h: Harness, dut: Scratchpad | PipelinedScratchpad, block: Block) -> None:
        m, write = h.m, dut.write
        self.address = h.constant(dut.config.address_bits, "address")
        shift = dut.config.word_bytes.bit_length() - 1
        byte, word = self.address[:shift], self.address[shift:]
        self.word, self.byte = word, byte
        self.value = Signal(8, name="value")
        self.writes = Signal(name="writes")
        m.d.comb += [
            self.writes.eq(
                write.valid
                & write.ready
                & (write.p.word == word)
                & write.p.enable.bit_select(byte, 1)
            ),
            Assume(self.address < dut.config.scratch_bytes),
            *(Assume(memory.address == word[1:]) for memory in block.memories),
        ]
        with m.If(self.writes):
            m.d.sync += self.value.eq(write.p.data.word_select(byte, 8))
        cells = [memory.cell.word_select(byte, 8) for memory in block.memories]
        self.cell = Mux(word[0], cells[1], cells[0])


def assume_traffic(h: Harness, dut: Any) -> None:
    """Anything that keeps the contract of streams; writes may come and go."""
    assume_stream(h, dut.fetch.request)
    for read in dut.reads:
        assume_stream(h, read.request)
    write = Value.cast(dut.write.payload)
    h.m.d.comb += [
        dut.write.valid.eq(h.free(1, "write")),
        write.eq(h.free(len(write), "written")),
        Assume(~dut.write.p.urgent | dut.write.valid),
    ]


def assert_answers(
    h: Harness, dut: Any, watch: Watch, reads: list[Any], fetch: Any, latencies: tuple[int, int]
) -> None:
    """What is granted is answered once, after exactly as many cycles, with the byte that was
    written last before the grant; a byte that is written in its cycle may be old or new."""
    read_cycles, fetch_cycles = latencies
    config, shift = dut.config, dut.config.word_bytes.bit_length() - 1
    for index, (grant, word) in enumerate(reads):
        port = dut.reads[index]
        seen = grant & (word == watch.word) & ~watch.writes
        due = h.delayed(Cat(grant, seen, watch.value), read_cycles, name=f"read{index}_due")
        byte = port.data.word_select(watch.address[:shift], 8)
        h.m.d.comb += [Assert(port.valid == due[0]), Assert(~due[1] | (byte == due[2:]))]
    grant, payload = fetch
    lane = (watch.address - payload.address)[: config.address_bits]
    seen = grant & (lane < config.input_channels) & ~watch.writes
    tag = Value.cast(payload.tag)
    due = h.delayed(Cat(grant, seen, watch.value, tag, lane), fetch_cycles, name="fetch_due")
    byte = dut.fetch.data.word_select(due[-len(lane) :], 8)
    h.m.d.comb += [
        Assert(dut.fetch.valid == due[0]),
        Assert(~due[0] | (Value.cast(dut.fetch.tag) == due[10 : -len(lane)])),
        Assert(~due[1] | (byte == due[2:10])),
    ]


def assert_patience(h: Harness, wants: Value, ready: Value, waited: Value, limit: int) -> None:
    """Whoever wants waits for ``limit`` cycles at most; ``waited`` is the block's count."""
    waits = Signal(range(limit + 3), name="waits")
    with h.m.If(wants & ~ready):
        h.m.d.sync += waits.eq(waits + 1)
    with h.m.Else():
        h.m.d.sync += waits.eq(0)
    h.m.d.comb += [
        Assert(waits <= limit),
        Assert(~(wants & ~ready) | (waits < limit)),
        Assert(waits <= waited + 1),
    ]


def harness(dut: Scratchpad, patience: int = PATIENCE + 1) -> Harness:
    """A read of the first reader that wants one, while nothing urgent is written, waits for
    ``patience`` cycles at most, and a fetch for one."""
    h = Harness()
    m, single = h.m, dut.config.scratch_single_port
    block = h.embed(dut)
    assume_traffic(h, dut)
    watch = Watch(h, dut, block)
    m.d.comb += Assert(watch.cell == watch.value)
    reads = [(r.request.valid & r.request.ready, r.request.payload) for r in dut.reads]
    fetch = dut.fetch.request
    latency = read_latency(dut.config)
    assert_answers(
        h, dut, watch, reads, (fetch.valid & fetch.ready, fetch.p), (latency, latency + 1)
    )
    # Urgent writes, and all where there is a port for them, are taken at once.
    m.d.comb += Assert(dut.write.ready | (~dut.write.p.urgent if single else 0))
    calm = ~dut.write.p.urgent if single else 1
    for index, read in enumerate(dut.reads):
        others = Cat(other.request.valid for other in dut.reads[:index]).any()
        wants = read.request.valid & ~others & calm
        assert_patience(h, wants, read.request.ready, block["waited"], patience)
    blocked = fetch.valid & ~fetch.ready & calm
    m.d.comb += Assert(~(blocked & h.past(blocked)))
    return h


def pipelined_harness(dut: PipelinedScratchpad, patience: int = PATIENCE) -> Harness:
    """The same of those that wait in the buffers, which in turn pass on what was accepted."""
    h = Harness()
    m = h.m
    block = h.embed(dut)
    assume_traffic(h, dut)
    watch = Watch(h, dut, block)
    m.d.comb += [
        # A write passes a register.
        Assert(watch.cell == h.past(watch.value, name="value_before")),
        Assert(dut.write.ready),
    ]
    fetch_grant, granted = block["fetch_grant"], block["granted"]
    fetch = data.View(dut.fetch.request.payload.shape(), block["fetch_buffer.o__payload"])
    reads = [(granted[index], block[f"buffer{index}.o__payload"]) for index in range(dut.readers)]
    assert_answers(
        h,
        dut,
        watch,
        reads,
        (fetch_grant, fetch),
        (read_latency(dut.config) - 1, FETCH_LATENCY - 1),
    )
    buffers = [("fetch_buffer", dut.fetch.request, fetch_grant)]
    buffers += [
        (f"buffer{index}", read.request, granted[index]) for index, read in enumerate(dut.reads)
    ]
    for path, request, grant in buffers:
        waiting = SimpleNamespace(
            valid=block[f"{path}.o__valid"],
            payload=block[f"{path}.o__payload"],
            # As in a queue, what is granted is there.
            ready=grant,
        )
        passage = Passage(h, request, waiting, places=2)
        assert_skid_buffer(h, passage, block[f"{path}.full"], block[f"{path}.second"])
        m.d.comb += [
            Assert(request.ready == (passage.level < 2)),
            Assert(waiting.valid == (passage.level != 0)),
            Assert(~grant | waiting.valid),
        ]
    waiting_reads = [block[f"buffer{index}.o__valid"] for index in range(dut.readers)]
    urgent = block["urgent"]
    waited = Signal(range(PATIENCE + 1))
    m.d.comb += [
        waited.eq(Mux(urgent, PATIENCE, block["waited"])),
        Assert(urgent | (block["waited"] < PATIENCE)),
    ]
    for index, wants in enumerate(waiting_reads):
        first = wants & ~Cat(waiting_reads[:index]).any()
        assert_patience(h, first, granted[index], waited, patience)
    blocked = block["fetch_buffer.o__valid"] & ~fetch_grant
    m.d.comb += Assert(~(blocked & h.past(blocked)))
    return h


#: Rows and lanes of the array, and words: lanes fill a word, or half of one, or a quarter.
VARIANTS = [(4, 4, 8), (8, 4, 6), (4, 16, 4), (16, 4, 4)]


@pytest.mark.parametrize("kind", ["single", "double"])
def test_scratchpad(tmp_path: Path, kind: str) -> None:
    configs = [make_config(*variant, kind) for variant in VARIANTS]
    harnesses = {c.name: harness(Scratchpad(c, readers=READERS)) for c in configs}
    prove_all(harnesses, tmp_path, steps=read_latency(configs[0]) + 2)


def test_pipelined_scratchpad(tmp_path: Path) -> None:
    configs = [make_config(*variant, "pipelined") for variant in VARIANTS]
    harnesses = {
        c.name: pipelined_harness(PipelinedScratchpad(c, readers=READERS)) for c in configs
    }
    prove_all(harnesses, tmp_path, steps=FETCH_LATENCY + 1)


class TakesEveryWrite(Scratchpad):
    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.write.ready.eq(1)
        return m


def test_with_writes_that_do_not_wait(tmp_path: Path) -> None:
    dut = TakesEveryWrite(make_config(4, 4, 8, "single"), readers=READERS)
    with pytest.raises(RefutedError, match="base"):
        prove(harness(dut), tmp_path, steps=6)


@pytest.mark.parametrize("kind", ["single", "double"])
def test_with_less_patience(tmp_path: Path, kind: str) -> None:
    dut = Scratchpad(make_config(4, 4, 8, kind), readers=READERS)
    with pytest.raises(RefutedError, match="base"):
        prove(harness(dut, PATIENCE), tmp_path, steps=PATIENCE + 4)


def test_pipelined_with_less_patience(tmp_path: Path) -> None:
    dut = PipelinedScratchpad(make_config(4, 4, 8, "pipelined"), readers=READERS)
    with pytest.raises(RefutedError, match="base"):
        prove(pipelined_harness(dut, PATIENCE - 1), tmp_path, steps=PATIENCE + 4)


class Overrun(SkidBuffer):
    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


def test_pipelined_with_buffers_that_overrun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelined_scratchpad, "SkidBuffer", Overrun)
    dut = PipelinedScratchpad(make_config(4, 4, 8, "pipelined"), readers=READERS)
    with pytest.raises(RefutedError, match="base"):
        prove(pipelined_harness(dut), tmp_path, steps=FETCH_LATENCY + 1)
