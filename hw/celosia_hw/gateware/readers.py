# SPDX-License-Identifier: BSD-2-Clause
"""Read runs of words, or of 32-bit units, from the scratchpad."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..isa import ADDRESS_BITS
from .interfaces import ReadSignature, word_address_bits
from .queue import Queue

#: Bits of a number of units.
COUNT_BITS = 24


class WordReader(wiring.Component):
    """For each command, sends ``words`` (at least 1) words from word address ``first`` on.

    A command is taken when the words of the one before have been requested. Up to one word a
    cycle if words have 4 bytes; wider words keep up with one 32-bit unit a cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        command = data.StructLayout({"first": word_address_bits(config), "words": COUNT_BITS})
        super().__init__(
            {
                "i": In(stream.Signature(command)),
                "o": Out(stream.Signature(8 * config.word_bytes)),
                "read": Out(ReadSignature(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Enough words to cover the latency of the scratchpad.
        depth = 5 if self.config.word_bytes == 4 else 3
        m.submodules.words = words = Queue(8 * self.config.word_bytes, depth=depth)
        read = self.read
        word = Signal(word_address_bits(self.config))
        left = Signal(COUNT_BITS)
        in_flight = Signal(range(depth + 1))
        granted = Signal()
        popped = Signal()
        m.d.comb += [
            self.i.ready.eq(left == 0),
            read.request.payload.eq(word),
            read.request.valid.eq((left != 0) & (in_flight != depth)),
            granted.eq(read.request.valid & read.request.ready),
            words.i.payload.eq(read.data),
            words.i.valid.eq(read.valid),
            self.o.payload.eq(words.o.payload),
            self.o.valid.eq(words.o.valid),
            words.o.ready.eq(self.o.ready),
            popped.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += in_flight.eq(in_flight + granted - popped)
        with m.If(granted):
            m.d.sync += [word.eq(word + 1), left.eq(left - 1)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [word.eq(self.i.p.first), left.eq(self.i.p.words)]
        return m


class UnitReader(wiring.Component):
    """For each command, sends ``units`` (at least 1) units from byte ``address`` (a multiple of 4).

    A command is taken when the units of the one before have been sent. Up to one unit a cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        command = data.StructLayout({"address": ADDRESS_BITS, "units": COUNT_BITS})
        super().__init__(
            {
                "i": In(stream.Signature(command)),
                "o": Out(stream.Signature(32)),
                "read": Out(ReadSignature(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        units_per_word = self.config.word_bytes // 4
        shift = self.config.word_bytes.bit_length() - 1
        m.submodules.words = words = WordReader(self.config)
        connect(m, flipped(self.read), words.read)

        left = Signal(COUNT_BITS)
        unit = Signal(range(max(units_per_word, 2)))
        first = self.i.p.address[2:shift] if units_per_word > 1 else 0
        m.d.comb += [
            self.i.ready.eq((left == 0) & words.i.ready),
            words.i.valid.eq(self.i.valid & (left == 0)),
            words.i.p.first.eq(self.i.p.address[shift:]),
            words.i.p.words.eq((self.i.p.units + first + (units_per_word - 1)) >> (shift - 2)),
            self.o.payload.eq(words.o.payload.word_select(unit, 32)),
            self.o.valid.eq(words.o.valid & (left != 0)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += left.eq(left - 1)
            if units_per_word > 1:
                m.d.sync += unit.eq(unit + 1)
            m.d.comb += words.o.ready.eq(
                ((unit == units_per_word - 1) if units_per_word > 1 else 1) | (left == 1)
            )
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [unit.eq(first), left.eq(self.i.p.units)]
        return m
