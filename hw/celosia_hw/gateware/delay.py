# SPDX-License-Identifier: BSD-2-Clause
"""A delay line in a memory block."""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Delay(wiring.Component):
    """``o`` is ``i`` of some enabled cycles before: ``long`` if ``select`` is high, else ``short``.

    Costs a memory block instead of a register for each bit and cycle. ``select`` may only
    change while nothing of value is inside.
    """

    def __init__(self, shape: ShapeLike, *, short: int, long: int) -> None:
        assert 3 <= short <= long
        self.shape = shape
        self.short = short
        self.long = long
        super().__init__({"enable": In(1), "select": In(1), "i": In(shape), "o": Out(shape)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = 1 << (self.long - 1).bit_length()
        m.submodules.memory = memory = Memory(shape=self.shape, depth=depth, init=[])
        write = memory.write_port()
        read = memory.read_port()
        position = Signal(range(depth))
        # The read of a value happens so that it is on ``o`` after exactly that many cycles.
        distance = Signal(range(depth))
        m.d.comb += [
            distance.eq(self.short - 1),
            write.en.eq(self.enable),
            write.addr.eq(position),
            write.data.eq(self.i),
            read.en.eq(self.enable),
            read.addr.eq(position - distance),
            self.o.eq(read.data),
        ]
        with m.If(self.select):
            m.d.comb += distance.eq(self.long - 1)
        with m.If(self.enable):
            m.d.sync += position.eq(position + 1)
        return m
