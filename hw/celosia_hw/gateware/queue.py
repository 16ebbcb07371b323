# SPDX-License-Identifier: BSD-2-Clause
"""A small first-in-first-out queue of registers."""

from __future__ import annotations

from amaranth.hdl import Array, Module, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Queue(wiring.Component):
    """Holds up to ``depth`` values in shifting registers; needs no memory block.

    Latency one cycle, throughput one value a cycle. ``level`` is the number of values held.
    """

    def __init__(self, shape: ShapeLike, *, depth: int) -> None:
        self.shape = shape
        self.depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "level": Out(range(depth + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slots = Array(Signal(self.shape, name=f"slot{i}") for i in range(self.depth))
        m.d.comb += [
            self.i.ready.eq(self.level != self.depth),
            self.o.valid.eq(self.level != 0),
            self.o.payload.eq(slots[0]),
        ]
        push = Signal()
        pop = Signal()
        m.d.comb += [
            push.eq(self.i.valid & self.i.ready),
            pop.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += self.level.eq(self.level + push - pop)
        for index, slot in enumerate(slots):
            # The value goes into the first place that is free after this cycle's pop.
            with m.If(push & (self.level == index + pop)):
                m.d.sync += slot.eq(self.i.payload)
            with m.Elif(pop):
                if index + 1 < self.depth:
                    m.d.sync += slot.eq(slots[index + 1])
        return m
