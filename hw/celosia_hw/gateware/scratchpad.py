# SPDX-License-Identifier: BSD-2-Clause
"""The activation scratchpad: two banks of words, and who may use them in a cycle."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from ..config import AcceleratorConfig
from .interfaces import (
    TAP_LAYOUT,
    ReadSignature,
    fetch_signature,
    word_address_bits,
    write_layout,
)

#: Cycles that a word read waits at most for the fetch unit's accesses.
PATIENCE = 7


class Scratchpad(wiring.Component):
    """Even words lie in bank 0, odd words in bank 1, so that a fetch of ``input_channels`` bytes
    from any byte address takes one cycle, and accesses to different banks do not wait.

    In each cycle and bank an urgent write goes first, then a word read that has waited for
    ``PATIENCE`` cycles, then the fetch, then any other write, then any other word read; of the word
    readers the first in ``reads`` wins. With memory that reads and writes at once, a write
    waits for nobody and delays nobody.

    Word reads are answered after ``read_latency`` cycles, fetches one later.
    """

    def __init__(self, config: AcceleratorConfig, *, readers: int) -> None:
        self.config = config
        self.readers = readers
        #: Block RAM has a slow output; a register behind it is part of the block.
        self.read_latency = 1 if config.scratch_single_port else 2
        super().__init__(
            {
                "fetch": In(fetch_signature(config)),
                "reads": In(ReadSignature(config)).array(readers),
                "write": In(stream.Signature(write_layout(config))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        width = config.word_bytes
        offset_bits = width.bit_length() - 1
        single = config.scratch_single_port
        rows = config.scratch_bytes // (2 * width)

        # Who wants what.
        word = self.fetch.request.p.address[offset_bits:]
        offset = self.fetch.request.p.address[:offset_bits]
        straddles = offset > width - config.input_channels
        fetch_uses = [~word[0] | straddles, word[0] | straddles]
        fetch_row = [(word + 1)[1 : len(word)], word[1:]]

        reader = Signal(range(max(self.readers, 2)))
        read_valid = Signal()
        read_word = Signal(word_address_bits(config))
        for index in reversed(range(self.readers)):
            with m.If(self.reads[index].request.valid):
                m.d.comb += [
                    reader.eq(index),
                    read_valid.eq(1),
                    read_word.eq(self.reads[index].request.payload),
                ]
        waited = Signal(range(PATIENCE + 1))
        urgent = waited == PATIENCE

        # Who gets it.
        write = self.write.p
        writes = [self.write.valid & (write.word[0] == bank) for bank in range(2)]
        taken = [w & write.urgent if single else 0 for w in writes]
        read_uses = [read_valid & (read_word[0] == bank) for bank in range(2)]
        fetch_grant = Signal()
        read_grant = Signal()
        urgent_read = [read_uses[b] & urgent & ~taken[b] for b in range(2)]
        fetch_blocked = [fetch_uses[b] & (taken[b] | urgent_read[b]) for b in range(2)]
        fetch_wants = [self.fetch.request.valid & fetch_uses[b] for b in range(2)]
        write_blocked = [
            writes[b] & ~write.urgent & (urgent_read[b] | fetch_wants[b]) if single else 0
            for b in range(2)
        ]
        read_blocked = [
            read_uses[b] & ~urgent_read[b] & (fetch_wants[b] | (writes[b] if single else 0))
            for b in range(2)
        ]
        m.d.comb += [
            self.write.ready.eq(~(write_blocked[0] | write_blocked[1])),
            self.fetch.request.ready.eq(~(fetch_blocked[0] | fetch_blocked[1])),
            fetch_grant.eq(self.fetch.request.valid & self.fetch.request.ready),
            read_grant.eq(read_valid & ~(read_blocked[0] | read_blocked[1])),
        ]
        for index in range(self.readers):
            m.d.comb += self.reads[index].request.ready.eq(read_grant & (reader == index))
        with m.If(~read_valid | read_grant):
            m.d.sync += waited.eq(0)
        with m.Elif(~urgent):
            m.d.sync += waited.eq(waited + 1)

        stored = [writes[b] & self.write.ready for b in range(2)]
        bank_data = []
        for bank in range(2):
            memory = Memory(shape=8 * width, depth=rows, init=[])
            m.submodules[f"bank{bank}"] = memory
            write_port = memory.write_port(granularity=8)
            read_port = memory.read_port()
            reads_word = read_grant & read_uses[bank]
            row = Mux(reads_word, read_word[1:], fetch_row[bank])
            if single:
                row = Mux(stored[bank], write.word[1:], row)
            m.d.comb += [
                write_port.addr.eq(row if single else write.word[1:]),
                write_port.data.eq(write.data),
                write_port.en.eq(Mux(stored[bank], write.enable, 0)),
                read_port.addr.eq(row),
                read_port.en.eq(reads_word | (fetch_grant & fetch_uses[bank])),
            ]
            output = read_port.data
            for stage in range(self.read_latency - 1):
                register = Signal(8 * width, name=f"bank{bank}_stage{stage}")
                m.d.sync += register.eq(output)
                output = register
            bank_data.append(output)

        # What comes back.
        fetched = Signal()
        tag = Signal(TAP_LAYOUT)
        odd = Signal()
        shift = Signal(offset_bits)
        read_done = Signal(self.readers)
        read_bank = Signal()
        m.d.sync += [
            fetched.eq(fetch_grant),
            tag.eq(self.fetch.request.p.tag),
            odd.eq(word[0]),
            shift.eq(offset),
            read_done.eq(Mux(read_grant, 1 << reader, 0)),
            read_bank.eq(read_word[0]),
        ]
        for stage in range(self.read_latency - 1):
            delayed = []
            for signal in (fetched, tag, odd, shift, read_done, read_bank):
                register = Signal.like(signal, name_suffix=f"_stage{stage}")
                m.d.sync += register.eq(signal)
                delayed.append(register)
            fetched, tag, odd, shift, read_done, read_bank = delayed
        low = Mux(odd, bank_data[1], bank_data[0])
        high = Mux(odd, bank_data[0], bank_data[1])
        m.d.sync += [
            self.fetch.valid.eq(fetched),
            self.fetch.tag.eq(tag),
            self.fetch.data.eq(Cat(low, high) >> (shift << 3)),
        ]
        for index in range(self.readers):
            m.d.comb += [
                self.reads[index].valid.eq(read_done[index]),
                self.reads[index].data.eq(Mux(read_bank, bank_data[1], bank_data[0])),
            ]
        return m
