# SPDX-License-Identifier: BSD-2-Clause
"""The loop nest that reads activations."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..isa import INPUT_LOOPS, Opcode
from .credit_queue import CreditQueue
from .interfaces import (
    COMPUTE_LAYOUT,
    TAP_LAYOUT,
    fetch_signature,
    has_pipelined_scratchpad,
)
from .loop_nest import LoopNest

#: Taps that are on their way from the scratchpad or wait: more than the cycles of the way.
TAPS = 8
#: Those for a pipelined scratchpad.
PIPELINED_TAPS = 16
#: Cycles from a start to the first request.
REQUEST_LATENCY = 2


class Fetch(wiring.Component):
    """Runs an instruction's six loops from ``start`` on, one tap a cycle at most.

    Sends each tap's activations (``input_channels`` bytes) with what the array must know of it;
    ``busy`` is high until the last tap has been sent. Two cycles from ``start`` to the first
    request, four (single-port scratchpad), five, or eight (pipelined) from a request to its tap.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.tap_layout = data.StructLayout({"tag": TAP_LAYOUT, "data": 8 * config.input_channels})
        super().__init__(
            {
                "instruction": In(COMPUTE_LAYOUT),
                "start": In(1),
                "busy": Out(1),
                "memory": Out(fetch_signature(config)),
                "o": Out(stream.Signature(self.tap_layout)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        instruction = self.instruction
        depth = PIPELINED_TAPS if has_pipelined_scratchpad(self.config) else TAPS
        m.submodules.taps = taps = CreditQueue(
            self.tap_layout, depth=depth, registered=True, fast=self.config.free_running
        )

        begin = Signal()  # the loops know their first address in the following cycle
        running = Signal()
        request = self.memory.request
        granted = Signal()
        m.d.comb += [
            request.valid.eq(running & taps.room),
            granted.eq(request.valid & request.ready),
            self.busy.eq(begin | running | ~taps.empty),
            taps.admit.eq(granted),
            taps.push.eq(self.memory.valid),
            taps.i.tag.eq(self.memory.tag),
            taps.i.data.eq(self.memory.data),
        ]
        connect(m, taps.o, flipped(self.o))

        widths = [len(instruction[count]) for count, _ in INPUT_LOOPS]
        m.submodules.loops = loops = LoopNest(
            widths,
            address_bits=self.config.address_bits,
            registered_last=True,
        )
        m.d.comb += [
            loops.start.eq(self.start),
            loops.base.eq(instruction.in_base),
            loops.advance.eq(granted),
        ]
        for index, (count, stride) in enumerate(INPUT_LOOPS):
            m.d.comb += [
                getattr(loops, f"count{index}").eq(instruction[count]),
                getattr(loops, f"step{index}").eq(instruction[stride]),
            ]
        with m.If(granted & loops.last.all()):
            m.d.sync += running.eq(0)

        # Flags of the tap at hand.
        first = Signal(init=1)
        line_start = Signal(init=1)
        skipped = Signal(4)
        tap_last = loops.last[:3].all()
        position_last = loops.last[3]
        group_end = loops.last[3:5].all()
        free = group_end & instruction.weights_ring & (~instruction.weights_shared | loops.last[5])
        is_chain = instruction.opcode == Opcode.CHAIN
        m.d.comb += [
            request.p.address.eq(loops.address),
            request.p.tag.first.eq(first),
            request.p.tag.last.eq(tap_last),
            request.p.tag.line_start.eq(line_start),
            request.p.tag.emit.eq(~is_chain | (skipped == instruction.skip)),
            request.p.tag.advance.eq(group_end & ~instruction.weights_shared),
            request.p.tag.free.eq(free),
        ]
        with m.If(granted):
            m.d.sync += first.eq(tap_last)
            with m.If(tap_last):
                m.d.sync += line_start.eq(position_last)
                with m.If(position_last):
                    m.d.sync += skipped.eq(0)
                with m.Elif(skipped != instruction.skip):
                    m.d.sync += skipped.eq(skipped + 1)

        m.d.sync += begin.eq(self.start)
        with m.If(begin):
            m.d.sync += [running.eq(1), first.eq(1), line_start.eq(1), skipped.eq(0)]
        return m
