# SPDX-License-Identifier: BSD-2-Clause
"""Addresses of nested loops."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..primitives.chain_mux import ChainMux
from .counter import count_up


class LoopNest(wiring.Component):
    """Loops from the innermost on, each with a count (less one) and a step.

    ``address`` is ``base`` at first. Each ``advance`` adds the step of the innermost loop that is
    not in its last iteration and begins all loops inside it anew, so that a step is a loop's
    stride less the way that the loops inside it have gone (``isa.encode``). Addresses have
    ``address_bits`` and wrap. ``start`` begins anew: the first address is there two cycles later,
    and ``advance`` must be low until then; after ``advance`` the next address is there in the
    following cycle. Bit i of ``last`` is high in the last iteration of loop i; all high means
    that this address is the last. Counts have the given ``widths``. With ``registered_last``, for a
    fast clock, ``last`` comes from registers.
    """

    def __init__(
        self, widths: Sequence[int], *, address_bits: int, registered_last: bool = False
    ) -> None:
        self.widths = tuple(widths)
        self.address_bits = address_bits
        self.registered_last = registered_last
        ports = {
            "start": In(1),
            "base": In(address_bits),
            "advance": In(1),
            "address": Out(address_bits),
            "last": Out(len(self.widths)),
        }
        for index, width in enumerate(self.widths):
            ports[f"count{index}"] = In(width)
            ports[f"step{index}"] = In(address_bits)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        last = self.last
        # A start leaves all loops in their last iteration, at address 0. Going on from there begins
        # them all, and adds the base as if it were one more step.
        begin = Signal()
        advance = self.advance | begin
        m.d.sync += begin.eq(self.start)
        for index, width in enumerate(self.widths):
            # Iterations that are left, inverted.
            left = Signal(width, name=f"left{index}", reset_less=True)
            count = getattr(self, f"count{index}")
            goes_on = advance & last[:index].all()
            with m.If(goes_on):
                m.d.sync += left.eq(Mux(last[index], ~count, count_up(left, last[index])))
            with m.If(self.start):
                m.d.sync += left.eq(-1)
            if self.registered_last:
                register = Signal(name=f"last{index}", reset_less=True)
                m.d.comb += last[index].eq(register)
                with m.If(goes_on):
                    m.d.sync += register.eq(Mux(register, count == 0, left[1:].all()))
                with m.If(self.start):
                    m.d.sync += register.eq(1)
            else:
                m.d.comb += last[index].eq(left.all())

        # The step of the innermost loop that is not in its last iteration, or else the base.
        steps = [getattr(self, f"step{index}") for index in range(len(self.widths))] + [self.base]
        m.submodules.step = step = ChainMux(self.address_bits, len(steps))
        for index, value in enumerate(steps):
            m.d.comb += getattr(step, f"i{index}").eq(value)
        m.d.comb += step.select.eq(len(self.widths))
        for index in reversed(range(len(self.widths))):
            with m.If(~last[index]):
                m.d.comb += step.select.eq(index)
        address = Signal(self.address_bits, reset_less=True)
        m.d.comb += self.address.eq(address)
        with m.If(advance):
            m.d.sync += address.eq(address + step.o)
        with m.If(self.start):
            m.d.sync += address.eq(0)
        return m
