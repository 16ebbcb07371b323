# SPDX-License-Identifier: BSD-2-Clause
"""Sequencer, PipelinedScratchpad and Fetch: taps do not come before the units they go to started.

Bounded: the first instruction of a run, from power-on to its first taps. Whether it is the first
makes no difference to when the words of an instruction come: they are asked for in the same way.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Signal, Value
from amaranth.lib.wiring import connect

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware import sequencer as sequencer_module
from celosia_hw.gateware.fetch import Fetch
from celosia_hw.gateware.pipelined_scratchpad import PipelinedScratchpad
from celosia_hw.gateware.sequencer import FETCH_BEGIN, Sequencer
from celosia_hw.isa import INSTRUCTION_BYTES
from celosia_sim.formal import Harness, RefutedError, prove
from celosia_sim.formal.streams import assume_stream

READERS = 5
#: Cycles from a start of ``WeightSelect``, which ``compute`` is, to its first tap.
START = 2


def harness(word_bytes: int) -> Harness:
    h = Harness()
    m = h.m
    config = AcceleratorConfig(
        output_channels=word_bytes,
        input_channels=2,
        chain_rows=2,
        scratch_bytes=2 * INSTRUCTION_BYTES,
        scratch_single_port=False,
        multipliers="mult18",
    )
    sequencer, fetch = Sequencer(config), Fetch(config)
    scratchpad = PipelinedScratchpad(config, readers=READERS)
    h.embed(sequencer, "sequencer")
    h.embed(fetch, "fetch")
    h.embed(scratchpad, "scratchpad")
    connect(m, sequencer.read, scratchpad.reads[1])
    connect(m, fetch.memory, scratchpad.fetch)
    begin = Signal(init=1)
    m.d.sync += begin.eq(0)
    write = Value.cast(scratchpad.write.payload)
    m.d.comb += [
        sequencer.start.eq(begin),
        sequencer.working.eq(1),
        fetch.instruction.eq(sequencer.instruction),
        fetch.start.eq(sequencer.early_fetch),
        fetch.o.ready.eq(h.free(1, "ready")),
        # The residuals of the instruction before have been read.
        scratchpad.reads[0].request.valid.eq(0),
        scratchpad.write.valid.eq(h.free(1, "write")),
        write.eq(h.free(len(write), "written")),
    ]
    for read in scratchpad.reads[2:]:
        assume_stream(h, read.request)
    early = Signal()  # taps would come too early
    with m.If(h.delayed(sequencer.compute, START - 1)):
        m.d.sync += early.eq(0)
    with m.Elif(sequencer.early_fetch):
        m.d.sync += early.eq(1)
    m.d.comb += Assert(~(fetch.o.valid & early))
    return h


@pytest.mark.parametrize(("word_bytes", "steps"), [(4, 36), (8, 28), (16, 24)])
def test_early_fetch(tmp_path: Path, word_bytes: int, steps: int) -> None:
    """The first taps have come within these cycles, even if other readers are busy."""
    prove(harness(word_bytes), tmp_path, steps=steps, induction=False)


def test_a_cycle_too_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer_module, "FETCH_BEGIN", FETCH_BEGIN + 1)
    with pytest.raises(RefutedError, match="base"):
        prove(harness(4), tmp_path, steps=36, induction=False)
