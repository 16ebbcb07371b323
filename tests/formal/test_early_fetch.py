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
from celosia_hw.gateware.fetch import Fetch
from celosia_hw.gateware.pipelined_scratchpad import PipelinedScratchpad
from celosia_hw.gateware.sequencer import Sequencer
from celosia_hw.isa import INSTRUCTION_BYTES
from celosia_sim.formal import Harness, RefutedError, prove
from celosia_sim.formal.streams import assume_stream

READERS = 5
#: Cycles from a start of ``WeightSelect``, which ``compute`` is, to its first tap.
START = 2


def harness(word_bytes: int, start: int = START) -> Harness:
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
    with m.If(h.delayed(sequencer.compute, start - 1)):
        m.d.sync += early.eq(0)
    with m.Elif(sequencer.early_fetch):
        m.d.sync += early.eq(1)
    m.d.comb += Assert(~(fetch.o.valid & early))
    return h


#: Bytes of a word, and cycles in which taps have come.
VARIANTS = [(4, 36), (8, 28), (16, 24)]


@pytest.mark.parametrize(("word_bytes", "steps"), VARIANTS)
def test_early_fetch(tmp_path: Path, word_bytes: int, steps: int) -> None:
    prove(harness(word_bytes), tmp_path, steps=steps, induction=False)


@pytest.mark.parametrize(("word_bytes", "steps"), VARIANTS)
def test_taps_come(tmp_path: Path, word_bytes: int, steps: int) -> None:
    """Within these cycles: a rule that wants them much later is broken."""
    with pytest.raises(RefutedError, match="base"):
        prove(harness(word_bytes, start=12), tmp_path, steps=steps, induction=False)
