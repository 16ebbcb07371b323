# SPDX-License-Identifier: BSD-2-Clause
"""Reads 32-bit units from the scratchpad, without a queue."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .interfaces import ReadSignature, has_pipelined_scratchpad, read_latency

#: Requests that a pipelined scratchpad accepts before it grants any.
_BUFFERED = 2


def unit_address_bits(config: AcceleratorConfig) -> int:
    """Bits of a unit's address in the scratchpad."""
    return config.address_bits - 2


class UnitReader(wiring.Component):
    """Reads the word of unit ``address`` and gives its units from that one on.

    While ``ask`` is high a word is requested as soon as it would find room: words of one unit
    in each cycle, a wider one so that it arrives when the last unit of the one before has been
    taken, if units are taken without a pause. Once a word was asked for it is requested, even if
    ``ask`` falls. ``granted`` is high when the request was accepted; then ``address`` must go on to
    the begin of the next word.

    ``unit`` is there while ``valid`` is high. Where a word has one unit, it is gone a cycle later;
    of a wider word it stays until ``take``. ``drop`` forgets what is left of a word. ``idle`` says
    that no word is on its way and no unit is there. When another word is asked for, at most
    ``ahead`` units were on their way or there.

    A unit is there ``read_latency`` cycles after its request, one more if words are wider.
    Throughput: one unit a cycle, but two in ``read_latency`` cycles where words have two and the
    scratchpad is pipelined.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        units = config.word_bytes // 4
        latency = read_latency(config)
        # A wide word that is arriving must be used up before the next one arrives.
        self.overlaps = 1 < units <= latency
        #: See above.
        self.ahead = latency if units == 1 else min(latency + 1, units) + self.overlaps
        if units == 1 and has_pipelined_scratchpad(config):
            self.ahead += _BUFFERED
        super().__init__(
            {
                "address": In(unit_address_bits(config)),
                "ask": In(1),
                "granted": Out(1),
                "valid": Out(1),
                "unit": Out(32),
                "take": In(1),
                "drop": In(1),
                "idle": Out(1),
                "read": Out(ReadSignature(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        units = self.config.word_bytes // 4
        bits = (units - 1).bit_length()
        latency = read_latency(self.config)
        read = self.read
        request = read.request
        room = Signal()
        waiting = Signal()  # a request stays until it is accepted
        m.d.comb += [
            request.payload.eq(self.address[bits:]),
            request.valid.eq((self.ask & room) | waiting),
            self.granted.eq(request.valid & request.ready),
        ]
        m.d.sync += waiting.eq(request.valid & ~request.ready)

        if units == 1:
            if has_pipelined_scratchpad(self.config):
                # Answers may be late.
                unanswered = Signal(range(self.ahead + 1))
                m.d.sync += unanswered.eq(unanswered + self.granted - read.valid)
                m.d.comb += self.idle.eq(unanswered == 0)
            else:
                m.d.comb += self.idle.eq(~self._on_way(m, latency))
            m.d.comb += [room.eq(1), self.valid.eq(read.valid), self.unit.eq(read.data)]
            return m

        on_way = Signal()
        first = Signal(bits, reset_less=True)  # unit with which the word on its way begins
        word = Signal(8 * self.config.word_bytes, reset_less=True)
        index = Signal(bits, reset_less=True)
        m.d.comb += [
            self.unit.eq(word.word_select(index, 32)),
            self.idle.eq(~(on_way | self.valid)),
            # A word that is requested now arrives when ``latency`` more units have been taken.
            room.eq(~on_way & (~self.valid | (index >= units - (latency + 1)))),
        ]
        with m.If(self.valid & self.take):
            m.d.sync += [index.eq(index + 1), self.valid.eq(index != units - 1)]
        with m.If(self.drop):
            m.d.sync += self.valid.eq(0)
        with m.If(read.valid):
            m.d.sync += [on_way.eq(0), word.eq(read.data), index.eq(first), self.valid.eq(1)]
            if self.overlaps:
                m.d.comb += room.eq(1)
        with m.If(self.granted):
            m.d.sync += [on_way.eq(1), first.eq(self.address[:bits])]
        return m

    def _on_way(self, m: Module, latency: int) -> Value:
        """Whether a word of one unit is on its way or there."""
        on_way: Value = self.read.valid
        granted: Value = self.granted
        for stage in range(latency - 1):
            delayed = Signal(name=f"granted{stage}")
            m.d.sync += delayed.eq(granted)
            on_way = on_way | delayed
            granted = delayed
        return on_way
