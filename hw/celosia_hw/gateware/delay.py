# SPDX-License-Identifier: BSD-2-Clause
"""A delay line in a memory."""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..primitives.small_ram import SmallRam


class Delay(wiring.Component):
    """``o`` is ``i`` of some enabled cycles before: ``long`` if ``select`` is high, else ``short``.

    Costs a small memory instead of a register for each bit and cycle. ``select`` may only
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
        enable = self.enable
        position = Signal(range(depth))
        # The read of a value happens so that it is on ``o`` after exactly that many cycles.
        distance = Signal(range(depth))
        source = Signal(range(depth))
        m.d.comb += [
            distance.eq(self.short - 1),
            source.eq(position - distance),
        ]
        with m.If(self.select):
            m.d.comb += distance.eq(self.long - 1)
        with m.If(enable):
            m.d.sync += position.eq(position + 1)

        m.submodules.ram = ram = SmallRam(depth=depth, shape=self.shape)
        m.d.comb += [
            ram.write_enable.eq(enable),
            ram.write_address.eq(position),
            ram.write_data.eq(self.i),
            ram.read_enable.eq(enable),
            ram.read_address.eq(source),
            self.o.eq(ram.read_data),
        ]
        return m
