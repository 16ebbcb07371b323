# SPDX-License-Identifier: BSD-2-Clause
"""RingLoader: every unit of a segment goes into its row, and no row before it is free."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Cat, Const, Mux, Signal, Value

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.interfaces import has_pipelined_scratchpad, read_latency
from celosia_hw.gateware.loader import RingLoader
from celosia_hw.isa import Source
from celosia_sim.formal import Harness, RefutedError, prove, prove_all
from celosia_sim.formal.scratchpad import ScratchpadModel
from celosia_sim.formal.streams import assert_stream

STEPS = 4
#: Size of the scratchpad.
SIZE = 256


def make_config(word_bytes: int, kind: str) -> AcceleratorConfig:
    return AcceleratorConfig(
        output_channels=word_bytes,
        input_channels=4,
        chain_rows=2,
        scratch_bytes=SIZE,
        scratch_single_port=kind == "single",
        multipliers="mult18" if kind == "pipelined" else "fabric",
    )


def harness(dut: RingLoader, *, helpers: bool = True) -> Harness:
    h = Harness()
    m = h.m
    config, depth, chunks = dut.config, dut.depth, dut.chunks
    units = config.word_bytes // 4
    bits = (units - 1).bit_length()
    scratch_bits = config.address_bits - 2
    block = h.embed(dut)
    listing, taking, checking, loading = (
        block[f"walk.{name}"] for name in ("listing", "taking", "checking", "loading")
    )
    stop, start = h.free(1, "stop"), h.free(1, "start")
    freed = h.free(len(dut.freed), "freed")
    source = Value.cast(dut.source)
    m.d.comb += [
        dut.stop.eq(stop),
        dut.start.eq(start),
        dut.list.eq(h.free(len(dut.list), "list")),
        source.eq(h.free(len(source), "source")),
        Assume(source <= (Source.EXTERNAL if dut.external_port else Source.SCRATCH)),
        dut.freed.eq(freed),
        dut.host.valid.eq(h.free(1, "host")),
        dut.host.payload.eq(h.free(32, "host")),
        dut.host_set.eq(h.free(1, "host_set")),
        dut.host_row.eq(h.free(len(dut.host_row), "host_row")),
        Assume(dut.host_row < depth),
        dut.data.eq(Mux(dut.idle, dut.host.payload, dut.unit)),
        Assume(~(stop & start)),
    ]
    memory = ScratchpadModel(h, config, dut.read, listing, stop)
    assert_stream(h, dut.read.request, reset=stop)
    reader_valid, waiting = block["walk.reader.valid"], block["walk.reader.waiting"]

    # The segment at hand: the unit that is due, and how many are.
    entry_second = Signal()
    entry_address = Signal(32)
    expected = Signal(scratch_bits)
    left = Signal(len(block["units"]))
    begin = start & dut.idle
    takes_entry = taking & reader_valid
    written = dut.ram.enable & ~dut.idle
    m.d.comb += Assume(~takes_entry | (dut.unit < 1 << len(left)))
    with m.If(written):
        m.d.sync += [expected.eq(expected + 1), left.eq(left - 1)]
    with m.If(takes_entry):
        m.d.sync += entry_second.eq(~entry_second)
        with m.If(entry_second):
            m.d.sync += [expected.eq(entry_address[2:]), left.eq(dut.unit)]
            m.d.comb += Assert(left == 0)
        with m.Else():
            m.d.sync += entry_address.eq(dut.unit)
    with m.If(stop):
        m.d.sync += [entry_second.eq(0), left.eq(0)]
    from_external = block["$signal"] if dut.external_port else Const(0, 1)
    data = dut.ram.data
    m.d.comb += [
        Assert(~written | (left != 0)),
        Assert(~written | from_external | (data == expected)),
        Assert(~dut.host.ready | dut.idle),
        Assert(~(dut.host.valid & dut.host.ready) | (data == dut.host.payload)),
    ]

    # Where it goes, and how many rows are in use.
    row, chunk = Signal(range(depth)), Signal(range(max(chunks, 2)))
    level = Signal(range(depth + 1))
    from_host = dut.host.valid & dut.host.ready
    stride = Mux(dut.idle, 1 << (chunks - 1).bit_length(), chunks)
    last = chunk == stride - 1
    complete = written & last
    m.d.comb += [
        Assume(freed <= level),
        Assert(dut.level == level),
        Assert(level <= depth),
        # The row is not one in use.
        Assert(~written | (level < depth)),
        Assert(dut.arrived == complete),
        Assert((dut.ram.row == row) & (row < depth) & (dut.ram.chunk == chunk)),
        Assert(chunk < stride),
        Assert(dut.idle | (level < depth) | (chunk == 0)),
        Assert(dut.ram.enable == (written | (from_host & (chunk < chunks)))),
    ]
    m.d.sync += level.eq(level + complete - freed)
    with m.If(written | from_host):
        m.d.sync += chunk.eq(Mux(last, 0, chunk + 1))
        with m.If(last):
            m.d.sync += row.eq(Mux(row == depth - 1, 0, row + 1))
    with m.If(dut.host_set & dut.idle):
        m.d.sync += [row.eq(dut.host_row), chunk.eq(0)]
    with m.If(begin):
        m.d.sync += [level.eq(0), row.eq(0), chunk.eq(0)]

    # The list is read unit by unit.
    list_unit = Signal(scratch_bits)
    low = Signal(max(bits, 1))
    with m.If(listing & dut.read.request.valid & dut.read.request.ready):
        m.d.comb += Assert(dut.read.request.payload == list_unit[bits:])
        m.d.sync += [list_unit.eq(list_unit + 1), low.eq(list_unit[:bits])]
    with m.If(begin):
        m.d.sync += list_unit.eq(dut.list[2:])
    m.d.comb += Assert(block["list_address"] == list_unit)
    listed = dut.read.data
    if units > 1:
        listed = Signal(32)
        with m.If(dut.read.valid):
            m.d.sync += listed.eq(dut.read.data.word_select(low[:bits], 32))
        m.d.comb += [
            Assert(~(taking & block["walk.reader.on_way"]) | (block["walk.reader.first"] == low)),
            Assert(~takes_entry | (block["walk.reader.index"] == low)),
        ]
    m.d.comb += Assert(~takes_entry | (dut.unit == listed))

    if dut.external_port:
        external = dut.external
        owed = Signal.like(left)
        stale = Signal()  # those before a stop
        request = external.request.valid & external.request.ready
        received = external.units.valid & external.units.ready
        m.d.comb += [
            external.request.ready.eq(h.free(1, "external_ready")),
            external.units.valid.eq(h.free(1, "external_valid") & (owed != 0)),
            external.units.payload.eq(h.free(32, "external_units")),
            Assert(~(written & from_external) | (received & ~stale)),
            Assert(~(written & from_external) | (data == external.units.payload)),
            Assert(~(received & loading) | written),
            Assert(~external.request.valid | (owed == 0)),
            Assert(~request | (external.request.p.units == left)),
            Assert(
                ~request | (external.request.p.address == Cat(Const(0, 2), entry_address[2:])[:24])
            ),
            # What induction has to know.
            Assert(~block["owed"] | (owed == ~block["units"])),
            Assert(block["owed"] | (owed == 0)),
            Assert(~block["owed"] | (block["done"] == (owed == 0))),
            Assert(~(listing & waiting) | ~block["owed"]),
            Assert(~(loading & from_external) | (block["owed"] & ~stale)),
            Assert(~block["owed"] | (memory.on_way == 0)),
            Assert(~(taking | checking) | ~block["owed"]),
            Assert(~(loading & ~from_external) | ~block["owed"]),
        ]
        assert_stream(h, external.request, reset=stop)
        with m.If(received):
            m.d.sync += owed.eq(owed - 1)
        with m.If(request):
            m.d.sync += [owed.eq(external.request.p.units), stale.eq(0)]
        with m.If(stop):
            m.d.sync += stale.eq(1)

    if not helpers:
        return h
    # What induction has to know of the units on their way.
    scratch = loading & ~from_external
    remaining_units = ~block["units"]
    free = (depth - level) * chunks - chunk
    m.d.comb += [
        Assert(block["walk.fsm_state"] <= 4),
        Assert(block["walk.second"] == entry_second),
        Assert(listing | taking | ~entry_second),
        Assert(~checking | ~block["done"]),
        Assert(listing | loading | ~waiting),
        Assert(~checking | (remaining_units == left)),
        Assert(~loading | (block["done"] == (remaining_units == 0))),
        Assert(~(loading & from_external) | ((left == remaining_units) & ~waiting)),
        Assert(~(checking | dut.idle) | (memory.on_way == 0)),
        Assert(~(loading & from_external) | (memory.on_way == 0)),
        Assert(~(taking | dut.idle) | (left == 0)),
        Assert(~(listing & waiting) | (memory.on_way == 0)),
    ]
    address = block["address"][:scratch_bits]
    careful = block["careful"] if config.free_running else Const(1, 1)
    begins = entry_second | checking
    m.d.comb += [
        Assert(~begins | (block["address"] == entry_address[2:][: len(block["address"])])),
        Assert(~checking | (expected == entry_address[2:][:scratch_bits])),
    ]
    if units == 1:
        m.d.comb += [
            Assert(~taking | (memory.on_way == 1)),
            Assert(~listing | (left == memory.on_way)),
            Assert(~(listing & from_external) | (left == 0)),
            Assert(~scratch | (left == remaining_units + memory.on_way)),
            Assert(~scratch | (address == (expected + memory.on_way)[:scratch_bits])),
            Assert(~(scratch | listing) | (memory.on_way + (waiting & scratch) <= free)),
            Assert(~scratch | careful | (level <= depth - 8 + 1)),
        ]
        older: Value = Const(0)
        for place in memory.places:
            m.d.comb += [
                Assert(~place[0] | (place[1] == taking)),
                Assert(~place[0] | taking | (place[2:] == (expected + older)[:scratch_bits])),
            ]
            older = older + place[0]
        if has_pipelined_scratchpad(config):
            m.d.comb += Assert(block["walk.reader.unanswered"] == memory.on_way)
        else:
            for stage, place in enumerate(reversed(memory.places[1:])):
                m.d.comb += Assert(block[f"walk.reader.granted{stage}"] == place[0])
        return h

    index, word = block["walk.reader.index"], block["walk.reader.word"]
    remaining = units - index
    expected_word = expected[bits:]
    on_way = block["walk.reader.on_way"]
    ahead = reader_valid + on_way
    more = (left > remaining) & (free >= remaining)
    m.d.comb += [
        Assert(on_way == memory.on_way),
        Assert(~waiting | ~on_way),
        Assert(~taking | (ahead == 1)),
        Assert(~dut.idle | ~reader_valid),
        Assert(~listing | ((memory.on_way == 0) & (left == 0))),
        Assert(~scratch | (left == remaining_units)),
        Assert(~(scratch & (waiting | on_way)) | (left != 0)),
        Assert(~(scratch & reader_valid) | (index == expected[:bits])),
        Assert(~(scratch & reader_valid) | (word == memory.own(expected_word))),
        Assert(~scratch | (address[bits:] == (expected_word + ahead)[: len(expected_word)])),
        Assert(~scratch | (address[:bits] == Mux(ahead, 0, expected[:bits]))),
        Assert(
            ~(scratch & on_way)
            | (block["walk.reader.first"] == Mux(reader_valid, 0, expected[:bits]))
        ),
        Assert(
            ~(scratch & reader_valid & waiting)
            | (more & ~on_way & (remaining <= read_latency(config) + 1))
        ),
        Assert(~scratch | careful | ((level <= depth - 4 + 1) & (left >= 7))),
    ]
    for cycles, place in enumerate(memory.places):
        m.d.comb += [
            Assert(~place[0] | (place[1] == taking)),
            Assert(
                ~(place[0] & scratch)
                | (place[2:] == (expected_word + reader_valid)[: len(expected_word)])
            ),
            # The last unit of the word before has been taken when it arrives.
            Assert(~(place[0] & scratch & reader_valid) | (more & (remaining <= cycles + 1))),
        ]
    return h


#: Bytes of a word, chunks of a row, rows that are freed at most at a time, whether there is an
#: external memory, and rows: of the weights of the arrays 2x2, 8x2 and 16x4, and of parameters.
VARIANTS = [
    (4, 1, 1, True, 16),
    (8, 4, 1, True, 20),
    (16, 16, 1, True, 16),
    (4, 3, 4, False, 20),
    (8, 2, 8, False, 16),
    (16, 2, 16, False, 20),
]


@pytest.mark.parametrize("kind", ["single", "double", "pipelined"])
def test_ring_loader(tmp_path: Path, kind: str) -> None:
    harnesses = {}
    for word_bytes, chunks, free_limit, external, depth in VARIANTS:
        dut = RingLoader(
            make_config(word_bytes, kind),
            depth=depth,
            chunks=chunks,
            free_limit=free_limit,
            external=external,
        )
        harnesses[f"{word_bytes}_{chunks}_{depth}"] = harness(dut)
    prove_all(harnesses, tmp_path, steps=STEPS)


class Careless(RingLoader):
    """Asks for words until the last row is in use, as if none were on their way."""

    def _limits(self, ahead: int) -> tuple[Value, Value]:
        return super()._limits(ahead)[0], Const(0, 1)


def test_careless(tmp_path: Path) -> None:
    """A row that is in use is overwritten."""
    dut = Careless(make_config(4, "single"), depth=4, chunks=1, free_limit=1, external=False)
    with pytest.raises(RefutedError, match="base"):
        prove(harness(dut, helpers=False), tmp_path, steps=16, induction=False)


@pytest.mark.parametrize("word_bytes", [4, 8, 16])
def test_careless_with_late_answers(tmp_path: Path, word_bytes: int) -> None:
    """A counterexample would be long: that the induction needs the margin is enough."""
    config = make_config(word_bytes, "pipelined")
    dut = Careless(config, depth=16, chunks=4, free_limit=1, external=False)
    with pytest.raises(RefutedError, match="induction"):
        prove(harness(dut), tmp_path, steps=STEPS)
