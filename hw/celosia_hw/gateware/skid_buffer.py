# SPDX-License-Identifier: BSD-2-Clause
"""A stream cut by registers in both directions."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class SkidBuffer(wiring.Component):
    """Two places for what ``i`` brings: neither ``i.ready`` nor ``o`` waits for the other side.

    Throughput one value a cycle; latency one cycle.
    """

    def __init__(self, shape: ShapeLike) -> None:
        self.shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The second place is only taken while the first one is.
        first, second = (Signal(self.shape, name=n, reset_less=True) for n in ("first", "second"))
        filled, full = Signal(), Signal()
        moves = Signal()
        m.d.comb += [
            self.o.valid.eq(filled),
            self.o.payload.eq(first),
            self.i.ready.eq(~full),
            moves.eq(~filled | self.o.ready),
        ]
        with m.If(moves):
            m.d.sync += [
                first.eq(Mux(full, second, self.i.payload)),
                filled.eq(full | self.i.valid),
                full.eq(0),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += full.eq(1)
        with m.If(~full):
            m.d.sync += second.eq(self.i.payload)
        return m
