# SPDX-License-Identifier: BSD-2-Clause
"""SkidBuffer: a stream goes through, whole, in order, and neither side waits for the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Module

from celosia_hw.gateware.skid_buffer import SkidBuffer
from celosia_sim.formal import Harness, RefutedError, prove
from celosia_sim.formal.streams import Passage, assert_skid_buffer, assert_stream, assume_stream

STEPS = 3
PLACES = 2


def harness(dut: SkidBuffer) -> Harness:
    h = Harness()
    block = h.embed(dut)
    assume_stream(h, dut.i)
    h.m.d.comb += dut.o.ready.eq(h.free(1, "ready"))
    assert_stream(h, dut.o)
    passage = Passage(h, dut.i, dut.o, places=PLACES)
    h.m.d.comb += [
        Assert(dut.i.ready == (passage.level < PLACES)),
        Assert(dut.o.valid == (passage.level != 0)),
    ]
    assert_skid_buffer(h, passage, block["full"], block["second"])
    return h


def test_skid_buffer(tmp_path: Path) -> None:
    prove(harness(SkidBuffer(2)), tmp_path, steps=STEPS)


class TakesTooMuch(SkidBuffer):
    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


def test_that_takes_too_much(tmp_path: Path) -> None:
    with pytest.raises(RefutedError, match="base"):
        prove(harness(TakesTooMuch(2)), tmp_path, steps=STEPS)
