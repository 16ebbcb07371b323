# SPDX-License-Identifier: BSD-2-Clause
"""Gives each tap its weights."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..isa import Opcode
from .counter import count_up
from .interfaces import COMPUTE_LAYOUT, TAP_LAYOUT
from .ram import PIPELINED_LATENCY

#: Cycles from a tap to its weights if the pipeline never stops: those of the memory.
FREE_RUNNING_LATENCY = PIPELINED_LATENCY + 1


class WeightSelect(wiring.Component):
    """Joins each tap with the address of its weight word, once that word has arrived.

    ``i`` are taps from the fetch unit, ``o`` the same taps in the cycle in which the memory shows
    their weights: one cycle after they were taken, and held while ``o.ready`` is low. ``row`` and
    ``enable`` drive the memory. With a ring, which begins with ``restart``, ``arrived`` tells of a
    word that is being written, and ``freed`` frees one. MAX needs no weights. Throughput one tap a
    cycle; taps must not come sooner than two cycles after ``start``.

    If the configuration is ``free_running``, ``FREE_RUNNING_LATENCY`` cycles pass, and nothing on
    its way stops: while ``room`` is high taps are taken, and ``o.ready`` must be high for as many
    taps as come of these.
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
                "room": In(1),
                "restart": In(1),
                "arrived": In(1),
                "freed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = self.config.weight_depth
        base = Signal(range(depth), reset_less=True)
        row = Signal(range(depth), reset_less=True)
        tag = self.i.p.tag

        begins_group = Signal(reset_less=True)
        whole_group = Signal(reset_less=True)  # a position has used all words of the group
        is_ring = Signal(reset_less=True)
        has_weights = self.instruction.opcode != Opcode.MAX
        m.d.sync += is_ring.eq(self.instruction.weights_ring & has_weights)
        if self.config.free_running:
            # For a fast clock from a register.
            has_weights_before, has_weights = has_weights, Signal(reset_less=True)
            m.d.sync += has_weights.eq(has_weights_before)
        # Minus the number of words that have arrived and that no position has used so far: the
        # sign tells whether there is any. One that arrives counts a cycle later, when it can be
        # read in any case.
        unused = Signal(range(-depth, 1))
        arrived = Signal()
        waits = is_ring & ~whole_group & ~unused[-1]
        take = Signal()
        advance = Signal()
        m.d.comb += [
            self.i.ready.eq((self.room if self.config.free_running else advance) & ~waits),
            take.eq(self.i.valid & self.i.ready),
            self.enable.eq(take),
            self.row.eq(row),
            self.freed.eq(take & tag.free & has_weights),
        ]
        m.d.sync += arrived.eq(self.arrived)
        uses = take & is_ring & ~whole_group
        with m.If(uses ^ arrived):
            m.d.sync += unused.eq(unused + Cat(1, arrived.replicate(len(unused) - 1)).as_signed())
        with m.If(self.restart):
            m.d.sync += [unused.eq(0), arrived.eq(0)]
        valid: Value = take
        payload: Value = self.i.payload.as_value()
        stages = FREE_RUNNING_LATENCY if self.config.free_running else 1
        m.d.comb += advance.eq(1 if self.config.free_running else ~self.o.valid | self.o.ready)
        for stage in range(stages):
            stage_valid = Signal(name=f"stage{stage}_valid")
            stage_payload = Signal(len(payload), name=f"stage{stage}_payload", reset_less=True)
            with m.If(advance):
                m.d.sync += [stage_valid.eq(valid), stage_payload.eq(payload)]
            valid, payload = stage_valid, stage_payload
        m.d.comb += [self.o.valid.eq(valid), self.o.payload.as_value().eq(payload)]
        # Each group but the first begins behind the one before, which its last position has used.
        begin = Signal()
        m.d.sync += begin.eq(self.start)
        repeats = tag.last & ~tag.advance
        reload = Signal()
        m.d.comb += reload.eq(begin | repeats)
        following = count_up(row, reload)
        if depth & (depth - 1):
            following = Mux(row == depth - 1, 0, following)
        with m.If(begin | (take & ~(repeats & begins_group))):
            m.d.sync += row.eq(Mux(reload, base, following))
        with m.If(take):
            m.d.sync += begins_group.eq(tag.last & tag.advance)
            with m.If(begins_group):
                m.d.sync += base.eq(row)
            with m.If(tag.last):
                m.d.sync += whole_group.eq(~tag.advance)
        with m.If(self.start):
            m.d.sync += [
                base.eq(self.instruction.weight_base),
                begins_group.eq(1),
                whole_group.eq(0),
            ]
        return m
