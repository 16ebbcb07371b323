# SPDX-License-Identifier: BSD-2-Clause
"""Merges results into words and stores them; fills borders."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .counter import count_up
from .interfaces import COMPUTE_LAYOUT, word_address_bits, write_layout
from .requantize import output_layout


class Store(wiring.Component):
    """Collects results that fall into the same word; stores the word when it is complete, when
    another one is due, or when ``flush`` is high. ``busy``: a word is waiting. ``o`` must take what
    is urgent in the cycle in which it comes, as the scratchpad does.

    Throughput: one beat a cycle, two cycles for a beat that crosses from word to word.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(output_layout(config))),
                "o": Out(stream.Signature(write_layout(config))),
                "flush": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.config.word_bytes
        lanes = self.config.requantize_lanes
        shift = width.bit_length() - 1
        lane_bits = lanes.bit_length() - 1

        # Byte b of a word takes value (b - offset) modulo lanes, if it takes any.
        offset = self.i.p.address[:shift]
        word = self.i.p.address[shift:]
        rotated = []
        for index in range(lanes):
            if lanes == 1:
                rotated.append(self.i.p.values[0])
            else:
                source = Signal(lane_bits, name=f"source{index}")
                m.d.comb += source.eq(index - offset[:lane_bits])
                rotated.append(self.i.p.values.as_value().word_select(source, 8))
        spread = Cat(*(rotated[b % lanes] for b in range(width)))
        # The bytes that take a value, of this word and of the next one.
        taken = Signal(2 * width)
        if lanes == 1:
            m.d.comb += taken.eq(self.i.p.count << offset)
        else:
            # By a table and a shift: comparisons would be chains of carries, one behind another.
            ones = Signal(lanes)
            with m.Switch(self.i.p.count):
                for count in range(1, lanes + 1):
                    with m.Case(count):
                        m.d.comb += ones.eq((1 << count) - 1)
            m.d.comb += taken.eq(ones << offset)
        low, high = taken[:width], taken[width:]

        held_word = Signal(word_address_bits(self.config))
        held_data = Signal(8 * width)
        held_enable = Signal(width)
        second_half = Signal()
        item_word = Signal(word_address_bits(self.config))
        enable = Signal(width)
        # A single value lies in one word; several lie next to each other.
        crosses = high[0] if lanes > 1 else Const(0)
        # Registers of their own, as what they tell is needed early in a cycle.
        full = Signal()
        held = Signal()
        following = Signal(width)
        other = held & (second_half | self.i.p.fresh)
        m.d.comb += [
            item_word.eq(Mux(second_half, word + 1, word) if lanes > 1 else word),
            enable.eq(Mux(second_half, high, low)),
            self.busy.eq(held),
            self.o.p.word.eq(held_word),
            self.o.p.data.eq(held_data),
            self.o.p.enable.eq(held_enable),
            # Nothing waits for what is urgent to be taken, as it always is: so no pipeline has to
            # stop for reasons that are found late in a cycle.
            self.o.p.urgent.eq(self.o.valid & (self.i.valid | self.flush)),
            self.o.valid.eq(full | (self.i.valid & other) | (held & self.flush)),
            self.i.ready.eq(second_half | ~crosses),
            following.eq(held_enable),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.comb += following.eq(0)
        m.d.sync += [held_enable.eq(following), full.eq(following.all()), held.eq(following.any())]
        with m.If(self.i.valid):
            m.d.comb += following.eq(Mux(other | full, 0, held_enable) | enable)
            m.d.sync += [
                held_word.eq(item_word),
                second_half.eq(crosses & ~second_half),
            ]
            for byte in range(width):
                with m.If(enable[byte]):
                    piece = slice(8 * byte, 8 * byte + 8)
                    m.d.sync += held_data[piece].eq(spread[piece])
        return m


class Fill(wiring.Component):
    """FILL: stores the zero point into ``positions`` bytes of each of ``lines`` lines.

    The lines' addresses come from the loops of ``Drain``, to which the four ports that are called
    after lines lead. One word a cycle, the first three cycles behind ``start``; ``busy`` from
    ``start`` until the last word was stored.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__(
            {
                "instruction": In(COMPUTE_LAYOUT),
                "start": In(1),
                "busy": Out(1),
                "start_lines": Out(1),
                "line": In(config.address_bits),
                "next_line": Out(1),
                "last_line": In(1),
                "o": Out(stream.Signature(write_layout(config))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.config.word_bytes
        shift = width.bit_length() - 1
        positions = self.instruction.positions

        # The cycles from the start to the first line's address.
        waits = Signal(2)
        storing = Signal()
        word = Signal(word_address_bits(self.config), reset_less=True)
        # Words of the line behind this one, inverted. ``more`` stands for one more.
        left = Signal(len(positions) - shift, reset_less=True)
        more = Signal(reset_less=True)
        # Bytes of this word that belong to the line, and the last byte of the line's last word.
        mask = Signal(width, reset_less=True)
        end = Signal(shift, reset_less=True)
        final = Signal(reset_less=True)

        begins = Signal()
        steps = Signal()
        last_word = Signal()
        m.d.comb += [
            self.start_lines.eq(self.start),
            last_word.eq(left.all() & ~more),
            steps.eq(storing),
            begins.eq(waits[-1] | (steps & last_word & ~final)),
            self.next_line.eq(begins),
            self.o.valid.eq(storing),
            self.o.p.urgent.eq(storing),
            self.o.p.word.eq(word),
            self.o.p.data.eq(self.instruction.zero_point.as_unsigned().replicate(width)),
        ]
        for byte in range(width):
            m.d.comb += self.o.p.enable[byte].eq(mask[byte] & ~(last_word & (byte > end)))

        m.d.sync += waits.eq(Cat(self.start, waits))
        with m.If(self.start):
            m.d.sync += self.busy.eq(1)
        with m.If(begins):
            m.d.sync += storing.eq(1)
        with m.Elif(steps & last_word):
            m.d.sync += [storing.eq(0), self.busy.eq(0)]
        offset = self.line[:shift]
        sum_ = offset + positions[:shift]
        with m.If(begins | steps):
            m.d.sync += [
                word.eq(Mux(begins, self.line[shift:], count_up(word, begins))),
                mask.eq(-1),
            ]
        with m.If(begins):
            m.d.sync += [
                final.eq(self.last_line),
                end.eq(sum_),
                mask.eq(Cat(byte >= offset for byte in range(width))),
            ]
        with m.If(begins | (steps & ~left.all())):
            m.d.sync += left.eq(Mux(begins, ~positions[shift:], count_up(left, begins)))
        with m.If(begins | (steps & left.all())):
            m.d.sync += more.eq(begins & sum_[shift])
        return m
