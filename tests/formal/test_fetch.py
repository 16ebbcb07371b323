# SPDX-License-Identifier: BSD-2-Clause
"""Fetch: its requests keep the stream contract, and each tap that comes back finds a place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from amaranth.hdl import Assert, Assume, Cat, Signal, Value

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware import fetch as fetch_module
from celosia_hw.gateware.fetch import PIPELINED_TAPS, TAPS, Fetch
from celosia_sim.formal import Harness, RefutedError, prove, prove_all
from celosia_sim.formal.streams import Passage, assert_stream

STEPS = 3


def harness(config: AcceleratorConfig, places: int) -> Harness:
    """The scratchpad answers each request once, in order, whenever it likes; the instruction
    stands, and another one starts when all taps have left."""
    h = Harness()
    m = h.m
    dut = Fetch(config)
    block = h.embed(dut)
    instruction = Value.cast(dut.instruction)
    memory = dut.memory
    outstanding = Signal(range(places + 2))
    granted = memory.request.valid & memory.request.ready
    data = h.free(len(memory.data), "data")
    tag = h.free(len(Value.cast(memory.tag)), "tag")
    m.d.comb += [
        instruction.eq(h.constant(len(instruction), "instruction")),
        dut.start.eq(h.free(1, "start") & ~dut.busy),
        memory.request.ready.eq(h.free(1, "ready")),
        memory.valid.eq(h.free(1, "valid") & (outstanding != 0)),
        memory.data.eq(data),
        Value.cast(memory.tag).eq(tag),
        dut.o.ready.eq(h.free(1, "taken")),
    ]
    m.d.sync += outstanding.eq(outstanding + granted - memory.valid)
    assert_stream(h, memory.request)
    assert_stream(h, dut.o, payload=False)
    source = SimpleNamespace(valid=memory.valid, ready=1, payload=Cat(tag, data))
    passage = Passage(h, source, dut.o, places=places)
    (ram,) = block.memories
    credits, shown = block["taps.credits"], dut.o.valid
    address = len(ram.address)
    m.d.comb += [
        # Taps on their way and taps that wait.
        Assert(outstanding + passage.level <= places),
        Assert(~(outstanding + passage.level != 0) | dut.busy),
        # What induction has to know of the queue (see test_credit_queue.py).
        Assert(credits == places - 1 - outstanding - passage.level),
        Assert(block["taps.level"] == (passage.level - shown - 1)),
        Assert(block["taps.behind"] == passage.put[:address]),
        Assert(block["taps.first"] == (passage.got + shown)[:address]),
        Assume(ram.address == passage.number[:address]),
    ]
    for place in range(places):
        held = passage.inside(place) & (~shown if place == 0 else 1)
        m.d.comb += Assert(~held | (ram.cell == passage.value))
    return h


def make_config(multipliers: str, single: bool) -> AcceleratorConfig:
    return AcceleratorConfig(
        output_channels=2,
        input_channels=2,
        chain_rows=2,
        scratch_bytes=64,
        scratch_single_port=single,
        multipliers=multipliers,
    )


def test_fetch(tmp_path: Path) -> None:
    harnesses = {
        "single": harness(make_config("mac16", True), TAPS),
        "double": harness(make_config("fabric", False), TAPS),
        "pipelined": harness(make_config("mult18", False), PIPELINED_TAPS),
    }
    prove_all(harnesses, tmp_path, steps=STEPS)


def test_with_fewer_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "TAPS", 8)
    with pytest.raises(RefutedError, match="base"):
        prove(harness(make_config("mac16", True), 4), tmp_path, steps=10, induction=False)
