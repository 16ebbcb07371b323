# SPDX-License-Identifier: BSD-2-Clause
"""Gives each tap its weights."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..isa import Opcode
from .interfaces import COMPUTE_LAYOUT, TAP_LAYOUT


class WeightSelect(wiring.Component):
    """Joins each tap with the address of its weight word, once that word has arrived.

    ``i`` are taps from the fetch unit, ``o`` the same taps in the cycle in which the memory shows
    their weights: one cycle after they were taken, two if the configuration is ``free_running``,
    and held while ``o.ready`` is low. ``row`` and ``enable`` drive the memory, ``advance`` the
    register behind it in the latter case. With a ring, ``level`` words have arrived and are not yet
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
                "advance": Out(1),
                "level": In(range(depth + 1)),
                "freed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = self.config.weight_depth
        base = Signal(range(depth), reset_less=True)
        row = Signal(range(depth), reset_less=True)
        index = Signal(
            range(depth + 1), reset_less=True
        )  # of the word within its group, where that matters
        tag = self.i.p.tag

        # Whether the next word is there. What a cycle needs is found in the one before, seen from
        # where a tap that is taken leads to.
        there = Signal()
        whole_group = Signal()  # a position has used all words of the group
        is_ring = Signal(reset_less=True)
        m.d.sync += is_ring.eq(
            self.instruction.weights_ring & (self.instruction.opcode != Opcode.MAX)
        )
        waits = is_ring & ~there & ~whole_group
        take = Signal()
        advance = self.advance
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance & ~waits),
            take.eq(self.i.valid & self.i.ready),
            self.enable.eq(take),
            self.row.eq(row),
            self.freed.eq(take & tag.free & (self.instruction.opcode != Opcode.MAX)),
        ]
        # In the last position words are freed as they are used, and the next is the ring's first.
        used = Signal(range(depth + 1))
        m.d.comb += used.eq(Mux(self.i.valid & tag.free, 0, index))
        m.d.sync += there.eq(Mux(take, self.level > used + 1, self.level > used))
        following = row + 1 if depth & (depth - 1) == 0 else Mux(row == depth - 1, 0, row + 1)
        valid: Value = take
        payload: Value = self.i.payload.as_value()
        for stage in range(2 if self.config.free_running else 1):
            stage_valid = Signal(name=f"stage{stage}_valid")
            stage_payload = Signal(len(payload), name=f"stage{stage}_payload", reset_less=True)
            with m.If(advance):
                m.d.sync += [stage_valid.eq(valid), stage_payload.eq(payload)]
            valid, payload = stage_valid, stage_payload
        m.d.comb += [self.o.valid.eq(valid), self.o.payload.as_value().eq(payload)]
        with m.If(take):
            m.d.sync += [row.eq(following), index.eq(index + 1)]
            with m.If(tag.last):
                m.d.sync += [index.eq(0), there.eq(0), whole_group.eq(~tag.advance)]
                with m.If(tag.advance):
                    m.d.sync += base.eq(following)
                with m.Else():
                    m.d.sync += row.eq(base)
        with m.If(self.start):
            m.d.sync += [
                base.eq(self.instruction.weight_base),
                row.eq(self.instruction.weight_base),
                index.eq(0),
                there.eq(0),
                whole_group.eq(0),
            ]
        return m
