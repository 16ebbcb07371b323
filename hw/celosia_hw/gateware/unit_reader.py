# SPDX-License-Identifier: BSD-2-Clause
"""Reads a run of 32-bit units from the scratchpad."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..isa import ADDRESS_BITS
from .interfaces import ReadSignature, word_address_bits
from .queue import Queue

#: Bits of a number of units.
COUNT_BITS = 24


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
        config = self.config
        units_per_word = config.word_bytes // 4
        shift = config.word_bytes.bit_length() - 1
        # Enough words to cover the latency of the scratchpad at one unit a cycle.
        depth = 5 if units_per_word == 1 else 3
        m.submodules.words = words = Queue(8 * config.word_bytes, depth=depth)

        word = Signal(word_address_bits(config))
        words_left = Signal(COUNT_BITS)
        in_flight = Signal(range(depth + 1))
        units_left = Signal(COUNT_BITS)
        unit = Signal(range(max(units_per_word, 2)))

        read = self.read
        popped = Signal()
        granted = Signal()
        m.d.comb += [
            self.i.ready.eq(units_left == 0),
            read.request.payload.eq(word),
            read.request.valid.eq((words_left != 0) & (in_flight != depth)),
            granted.eq(read.request.valid & read.request.ready),
            words.i.payload.eq(read.data),
            words.i.valid.eq(read.valid),
            self.o.payload.eq(words.o.payload.word_select(unit, 32)),
            self.o.valid.eq(words.o.valid & (units_left != 0)),
        ]
        m.d.sync += in_flight.eq(in_flight + granted - popped)
        with m.If(granted):
            m.d.sync += [word.eq(word + 1), words_left.eq(words_left - 1)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += units_left.eq(units_left - 1)
            if units_per_word > 1:
                m.d.sync += unit.eq(unit + 1)
            with m.If((unit == units_per_word - 1) | (units_left == 1)):
                m.d.comb += [words.o.ready.eq(1), popped.eq(1)]
        with m.If(self.i.valid & self.i.ready):
            first = self.i.p.address[2:shift] if shift > 2 else 0
            m.d.sync += [
                word.eq(self.i.p.address[shift:]),
                unit.eq(first),
                units_left.eq(self.i.p.units),
                words_left.eq((self.i.p.units + first + (units_per_word - 1)) >> (shift - 2)),
            ]
        return m
