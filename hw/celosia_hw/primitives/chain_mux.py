# SPDX-License-Identifier: BSD-2-Clause
"""A multiplexer of many inputs, in as few LUTs as there can be."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from . import family


class ChainMux(wiring.Component):
    """``o`` is that of the inputs ``i0``, ``i1``, ... that ``select`` names; unspecified if there
    is none.

    On iCE40 a chain of SB_LUT4, a LUT a bit for every two inputs, which makes it slow from the
    first inputs on. A link whose inputs are not chosen hands on what comes from the link before;
    from there the chosen link hears which of its two inputs it is to take. Yosys does not find
    this, but takes it apart, unless it is made of primitives. Elsewhere it is a multiplexer of any
    kind.
    """

    def __init__(self, width: int, count: int) -> None:
        assert count > 1
        self.width = width
        self.count = count
        ports = {f"i{index}": In(width) for index in range(count)}
        super().__init__(ports | {"select": In(range(count)), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inputs = [getattr(self, f"i{index}") for index in range(self.count)]
        if family(platform) != "ice40":
            m.d.comb += self.o.eq(Array(inputs)[self.select])
            return m
        if len(inputs) % 2:
            inputs.append(inputs[-1])
        previous: Value = self.select[0].replicate(self.width)
        for pair in range(len(inputs) // 2):
            even, odd = inputs[2 * pair : 2 * pair + 2]
            here = Signal(name=f"here{pair}")
            link = Signal(self.width, name=f"link{pair}")
            m.d.comb += here.eq(self.select[1:] == pair)
            for bit in range(self.width):
                m.submodules[f"link{pair}_bit{bit}"] = Instance(
                    "SB_LUT4",
                    p_LUT_INIT=Const(_LINK, 16),
                    i_I0=even[bit],
                    i_I1=odd[bit],
                    i_I2=previous[bit],
                    i_I3=here,
                    o_O=link[bit],
                )
            previous = link
        m.d.comb += self.o.eq(previous)
        return m


def _table() -> int:
    """Contents of a LUT: I2, while I3 is low; else it chooses I1 (high) or I0."""
    table = 0
    for index in range(16):
        even, odd, previous, here = (index >> bit & 1 for bit in range(4))
        table |= ((odd if previous else even) if here else previous) << index
    return table


_LINK = _table()
