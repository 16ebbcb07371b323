# SPDX-License-Identifier: BSD-2-Clause
"""Addresses of nested loops."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa import ADDRESS_BITS


class LoopNest(wiring.Component):
    """Loops from the innermost on, each with a count (less one) and a stride.

    ``address`` is ``base`` plus each loop's stride times the iterations it has done, modulo the
    address space. ``start`` begins anew; ``advance`` goes to the next address, which is there in
    the following cycle. Bit i of ``last`` is high in the last iteration of loop i; all high means
    that this address is the last. Counts have the given ``widths``.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = tuple(widths)
        ports = {
            "start": In(1),
            "base": In(ADDRESS_BITS),
            "advance": In(1),
            "address": Out(ADDRESS_BITS),
            "last": Out(len(self.widths)),
        }
        for index, width in enumerate(self.widths):
            ports[f"count{index}"] = In(width)
            ports[f"stride{index}"] = In(ADDRESS_BITS)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        levels = range(len(self.widths))
        counts = [getattr(self, f"count{index}") for index in levels]
        strides = [getattr(self, f"stride{index}") for index in levels]
        left = [Signal(width, name=f"left{index}") for index, width in enumerate(self.widths)]
        # Where the current iteration of each loop begins.
        bases = [Signal(ADDRESS_BITS, name=f"base{index}") for index in levels]
        m.d.comb += [self.last[index].eq(left[index] == 0) for index in levels]
        m.d.comb += self.address.eq(bases[0])

        # The innermost loop that is not at its end goes on; all loops inside it start over.
        step = Signal(ADDRESS_BITS)
        for index in levels:
            goes_on = ~self.last[index]
            if index:
                goes_on &= self.last[:index].all()
            with m.If(goes_on):
                m.d.comb += step.eq(bases[index] + strides[index])
                with m.If(self.advance):
                    m.d.sync += left[index].eq(left[index] - 1)
                    m.d.sync += [bases[inner].eq(step) for inner in range(index + 1)]
                    m.d.sync += [left[inner].eq(counts[inner]) for inner in range(index)]
        with m.If(self.start):
            m.d.sync += [base.eq(self.base) for base in bases]
            m.d.sync += [left[index].eq(counts[index]) for index in levels]
        return m
