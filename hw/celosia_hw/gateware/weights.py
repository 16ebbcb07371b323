# SPDX-License-Identifier: BSD-2-Clause
"""Gives each tap its weights."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..isa import Opcode
from .interfaces import COMPUTE_LAYOUT, TAP_LAYOUT


class WeightSelect(wiring.Component):
    """Joins each tap with the address of its weight word, once that word has arrived.

    ``i`` are taps from the fetch unit, ``o`` the same taps in the cycle in which the memory shows
    their weights: one cycle after they were taken, held while ``o.ready`` is low. ``row``
    and ``enable`` drive the memory. With a ring, ``level`` words have arrived and are not yet
    freed, and ``freed`` frees one. MAX needs no weights. Throughput one tap a cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.tap_layout = data.StructLayout({"tag": TAP_LAYOUT, "data": 8 * config.input_channels})
        depth = config.weight_depth
        super().__init__(
            {
                "instruction": In(COMPUTE_LAYOUT),
                "start": In(1),
                "i": In(stream.Signature(self.tap_layout)),
                "o": Out(stream.Signature(self.tap_layout)),
                "row": Out(range(depth)),
                "enable": Out(1),
                "level": In(range(depth + 1)),
                "freed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = self.config.weight_depth
        base = Signal(range(depth))
        row = Signal(range(depth))
        index = Signal(range(depth + 1))  # of the word within its group, where that matters
        tag = self.i.p.tag

        waits = Signal()
        with m.If(self.instruction.weights_ring & (self.instruction.opcode != Opcode.MAX)):
            m.d.comb += waits.eq(self.level <= Mux(tag.free, 0, index))
        take = Signal()
        m.d.comb += [
            self.i.ready.eq((~self.o.valid | self.o.ready) & ~waits),
            take.eq(self.i.valid & self.i.ready),
            self.enable.eq(take),
            self.row.eq(row),
            self.freed.eq(take & tag.free & (self.instruction.opcode != Opcode.MAX)),
        ]
        following = Mux(row == depth - 1, 0, row + 1)
        with m.If(take):
            m.d.sync += [self.o.payload.eq(self.i.payload), self.o.valid.eq(1)]
            m.d.sync += [row.eq(following), index.eq(index + 1)]
            with m.If(tag.last):
                m.d.sync += index.eq(0)
                with m.If(tag.advance):
                    m.d.sync += base.eq(following)
                with m.Else():
                    m.d.sync += row.eq(base)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.start):
            m.d.sync += [
                base.eq(self.instruction.weight_base),
                row.eq(self.instruction.weight_base),
                index.eq(0),
            ]
        return m
