# SPDX-License-Identifier: BSD-2-Clause
"""Addresses of nested loops."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class LoopNest(wiring.Component):
    """Loops from the innermost on, each with a count (less one) and a step.

    ``address`` is ``base`` at first. Each ``advance`` adds the step of the innermost loop that is
    not in its last iteration and begins all loops inside it anew, so that a step is a loop's
    stride less the way that the loops inside it have gone (``isa.encode``). Addresses have
    ``address_bits`` and wrap. ``start`` begins anew; after ``advance`` the next address is there in
    the following cycle. Bit i of ``last`` is high in the last iteration of loop i; all high means
    that this address is the last. Counts have the given ``widths``. With ``registered_last``, for a
    fast clock, ``last`` comes from registers, and counts must stand from ``start`` on.
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
        levels = range(len(self.widths))
        # Iterations that each loop has done, or one more if that is compared a cycle ahead. They
        # count up from zero, as a flip-flop has a reset for free, but not a second value to load.
        done = [
            Signal(width, name=f"done{index}", reset_less=True)
            for index, width in enumerate(self.widths)
        ]
        step = Signal(self.address_bits)
        address = Signal(self.address_bits, reset_less=True)
        m.d.comb += self.address.eq(address)
        for index in levels:
            count = getattr(self, f"count{index}")
            inner_last = self.last[:index].all()
            counts = self.advance & inner_last
            begins = self.start | (counts & self.last[index])
            first = 0
            if self.registered_last:
                first = 1
                last = Signal(name=f"last{index}", reset_less=True)
                m.d.comb += self.last[index].eq(last)
                with m.If(begins):
                    m.d.sync += last.eq(count == 0)
                with m.Elif(counts):
                    m.d.sync += last.eq(done[index] == count)
            else:
                m.d.comb += self.last[index].eq(done[index] == count)
            with m.If(counts):
                m.d.sync += done[index].eq(done[index] + 1)
            with m.If(begins):
                m.d.sync += done[index].eq(first)
        for index in reversed(levels):
            with m.If(~self.last[index]):
                m.d.comb += step.eq(getattr(self, f"step{index}"))
        with m.If(self.advance):
            m.d.sync += address.eq(address + step)
        with m.If(self.start):
            m.d.sync += address.eq(self.base)
        return m
