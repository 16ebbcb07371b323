# SPDX-License-Identifier: BSD-2-Clause
"""Store: every byte that comes reaches the scratchpad, and what is written keeps its contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Module, Mux, Signal, Value

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.store import Store
from celosia_sim.formal import Harness, RefutedError, prove, prove_all
from celosia_sim.formal.streams import assume_stream

STEPS = 3


def make_config(rows: int, lanes: int, values: int) -> AcceleratorConfig:
    return AcceleratorConfig(
        output_channels=rows,
        input_channels=lanes,
        chain_rows=2,
        scratch_bytes=8 * max(4, rows, lanes),
        requantize_lanes=values,
    )


def harness(dut: Store, *, helpers: bool = True) -> Harness:
    """Any beats, ``fresh`` where they must be; the scratchpad takes what is urgent, and the rest
    when it likes. Of one byte, any, it is known what came for it last, and what it holds."""
    h = Harness()
    m = h.m
    config = dut.config
    block = h.embed(dut)
    shift = config.word_bytes.bit_length() - 1
    watched = h.constant(config.address_bits, "watched")
    word, byte = watched[shift:], watched[:shift]
    assume_stream(h, dut.i)
    beat, write = dut.i.p, dut.o.p
    m.d.comb += [
        dut.flush.eq(h.free(1, "flush")),
        dut.o.ready.eq(h.free(1, "ready")),
        Assume(~write.urgent | dut.o.ready),
        Assume(~dut.i.valid | ((beat.count >= 1) & (beat.count <= config.requantize_lanes))),
    ]
    last_word = Signal(len(word))  # in which the beats before have ended
    seen = Signal()  # this beat in the cycle before
    place = Signal(config.address_bits)
    comes = Signal()
    last, held = Signal(8), Signal(8)
    m.d.comb += [
        place.eq(watched - beat.address),
        comes.eq(dut.i.valid & ~seen & (place < beat.count)),
        Assume(~dut.i.valid | beat.fresh | seen | (beat.address[shift:] == last_word)),
    ]
    m.d.sync += seen.eq(dut.i.valid & ~dut.i.ready)
    with m.If(dut.i.valid):
        m.d.sync += last_word.eq((beat.address + beat.count - 1)[shift : config.address_bits])
    with m.If(comes):
        m.d.sync += last.eq(beat.values.as_value().word_select(place[:3], 8))
    stores = dut.o.valid & dut.o.ready
    with m.If(stores & (write.word == word) & write.enable.bit_select(byte, 1)):
        m.d.sync += held.eq(write.data.word_select(byte, 8))
    payload = Value.cast(dut.o.payload)[1:]
    waited = h.past(dut.o.valid & ~dut.o.ready)
    m.d.comb += [
        # When nothing waits all has arrived.
        Assert(dut.busy | seen | (held == last)),
        Assert(~write.urgent | dut.o.valid),
        Assert(~waited | (dut.o.valid & (payload == h.past(payload)))),
    ]
    if not helpers:
        return h
    waits = dut.busy & (write.word == word) & write.enable.bit_select(byte, 1)
    # The second half of a beat that crosses from word to word.
    due = seen & (place < beat.count) & (word != beat.address[shift:])
    m.d.comb += [
        Assert(due | (Mux(waits, write.data.word_select(byte, 8), held) == last)),
        Assert(~due | (last == beat.values.as_value().word_select(place[:3], 8))),
        Assert(dut.busy == write.enable.any()),
        Assert(block["full"] == write.enable.all()),
    ]
    if config.requantize_lanes > 1:
        m.d.comb += [
            Assert(block["second_half"] == seen),
            Assert(~seen | (write.word == beat.address[shift:])),
        ]
    m.d.comb += Assert(~dut.busy | seen | (write.word == last_word))
    return h


def test_store(tmp_path: Path) -> None:
    configs = {
        "word4_one": make_config(4, 4, 1),
        "word4_four": make_config(4, 4, 4),
        "word8_two": make_config(8, 8, 2),
        "word16_eight": make_config(16, 8, 8),
    }
    harnesses = {name: harness(Store(config)) for name, config in configs.items()}
    prove_all(harnesses, tmp_path, steps=STEPS)


class Forgetful(Store):
    """Does not say that it takes two cycles for a beat that crosses from word to word."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


def test_forgetful(tmp_path: Path) -> None:
    dut = harness(Forgetful(make_config(4, 4, 2)), helpers=False)
    with pytest.raises(RefutedError, match="base"):
        prove(dut, tmp_path, steps=8, induction=False)
