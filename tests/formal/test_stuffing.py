# SPDX-License-Identifier: BSD-2-Clause
"""Enframer and Deframer: what one makes of frames the other makes into the same frames."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Module
from amaranth.lib.wiring import connect

from celosia_hw.link.protocol import ESCAPE, FLAG
from celosia_hw.link.stuffing import Deframer, Enframer
from celosia_sim.formal import Harness, RefutedError, prove
from celosia_sim.formal.streams import assert_stream, assume_stream

STEPS = 2


def harness(enframer: Enframer, deframer: Deframer) -> Harness:
    h = Harness()
    sender, receiver = h.embed(enframer, "sender"), h.embed(deframer, "receiver")
    connect(h.m, enframer.o, deframer.i)
    assume_stream(h, enframer.i)
    assert_stream(h, enframer.o)
    assert_stream(h, deframer.o)
    symbol = enframer.i.p
    taken = enframer.i.valid & enframer.i.ready
    gives = deframer.o.valid & deframer.o.ready
    h.m.d.comb += [
        deframer.o.ready.eq(h.free(1, "ready")),
        Assert((taken & ~symbol.flag) == gives),
        Assert(~gives | (deframer.o.payload == symbol.byte)),
        Assert((taken & symbol.flag) == deframer.begin),
        Assert(sender["escaped"] == receiver["escaped"]),
        Assert(~sender["escaped"] | (symbol.byte == FLAG) | (symbol.byte == ESCAPE)),
        Assert(~sender["escaped"] | (enframer.i.valid & ~symbol.flag)),
    ]
    return h


def test_stuffing(tmp_path: Path) -> None:
    prove(harness(Enframer(), Deframer()), tmp_path, steps=STEPS)


class Hasty(Enframer):
    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(self.o.ready)
        return m


def test_hasty(tmp_path: Path) -> None:
    with pytest.raises(RefutedError, match="base"):
        prove(harness(Hasty(), Deframer()), tmp_path, steps=STEPS)
