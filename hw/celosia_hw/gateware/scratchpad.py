# SPDX-License-Identifier: BSD-2-Clause
"""The activation scratchpad: two banks of words, and who may use them in a cycle."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In

from ..config import AcceleratorConfig
from ..primitives.block_ram import BlockRam
from ..primitives.spram import SinglePortRam
from .interfaces import (
    TAP_LAYOUT,
    ReadSignature,
    fetch_signature,
    read_latency,
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

    Whose turn it is among the word readers was found in the cycle before: so the first of a row of
    reads waits for a cycle, and none hears of the others' wishes too late.

    Word reads are answered after ``read_latency`` cycles, fetches one later.
    """

    def __init__(self, config: AcceleratorConfig, *, readers: int) -> None:
        self.config = config
        self.readers = readers
        self.read_latency = read_latency(config)
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

        read_grant = Signal()
        first = Signal(range(max(self.readers, 2)))
        reader = Signal.like(first)
        wanted = Cat(self.reads[index].request.valid for index in range(self.readers))
        words = Array(self.reads[index].request.payload for index in range(self.readers))
        for index in reversed(range(self.readers)):
            with m.If(wanted[index]):
                m.d.comb += first.eq(index)
        read_valid = wanted.bit_select(reader, 1)
        read_word = words[reader]
        with m.If(wanted.any()):
            m.d.sync += reader.eq(first)
        waited = Signal(range(PATIENCE + 1))
        urgent = waited == PATIENCE

        # Who gets it.
        write = self.write.p
        writes = [self.write.valid & (write.word[0] == bank) for bank in range(2)]
        taken = [write.urgent & (write.word[0] == b) if single else 0 for b in range(2)]
        read_bank = [read_word[0] == bank for bank in range(2)]
        fetch_grant = Signal()
        fetch_wants = [self.fetch.request.valid & fetch_uses[b] for b in range(2)]
        # While a read is urgent the others wait whatever its bank: it asks too late in the cycle.
        fetch_blocked = [fetch_uses[b] & taken[b] for b in range(2)]
        write_blocked = [
            writes[b] & ~write.urgent & (urgent | fetch_wants[b]) if single else 0 for b in range(2)
        ]
        read_blocked = [
            read_bank[b] & (taken[b] | ~urgent & (fetch_wants[b] | (writes[b] if single else 0)))
            for b in range(2)
        ]
        # Whose turn it is hears whether it may read before it is known whether it wants to.
        read_ready = ~(read_blocked[0] | read_blocked[1])
        m.d.comb += [
            self.write.ready.eq(~(write_blocked[0] | write_blocked[1])),
            self.fetch.request.ready.eq(~(urgent | fetch_blocked[0] | fetch_blocked[1])),
            fetch_grant.eq(self.fetch.request.valid & self.fetch.request.ready),
            read_grant.eq(read_valid & read_ready),
        ]
        for index in range(self.readers):
            m.d.comb += self.reads[index].request.ready.eq(read_ready & (reader == index))
        with m.If(~read_valid | read_grant):
            m.d.sync += waited.eq(0)
        with m.Elif(~urgent):
            m.d.sync += waited.eq(waited + 1)

        stored = [writes[b] & self.write.ready for b in range(2)]
        bank_data = []
        for number in range(2):
            # Without a look at who gets the bank: if it is not a write, which has another address,
            # then it is whom this favours.
            favours_read = read_bank[number] & (urgent | ~fetch_wants[number])
            read_row = Mux(favours_read, read_word[1:], fetch_row[number])
            reads = (read_grant & read_bank[number]) | (fetch_grant & fetch_uses[number])
            if single:
                m.submodules[f"bank{number}"] = bank = SinglePortRam(depth=rows, width=width)
                m.d.comb += [
                    bank.enable.eq(1),  # what is read without need is not used
                    bank.address.eq(Mux(stored[number], write.word[1:], read_row)),
                    bank.write_enable.eq(stored[number]),
                    bank.write_mask.eq(write.enable),
                ]
            else:
                m.submodules[f"bank{number}"] = bank = BlockRam(
                    depth=rows, width=8 * width, granularity=8, output_register=True
                )
                m.d.comb += [
                    bank.write_enable.eq(Mux(stored[number], write.enable, 0)),
                    bank.write_address.eq(write.word[1:]),
                    bank.read_enable.eq(reads),
                    bank.read_address.eq(read_row),
                ]
            m.d.comb += bank.write_data.eq(write.data)
            bank_data.append(bank.read_data)

        # What comes back. A word read together with a fetch is in the bank that the fetch leaves
        # alone, so that one choice of the bank that comes first serves both.
        answer = data.StructLayout(
            {
                "fetched": 1,
                "tag": TAP_LAYOUT,
                "shift": offset_bits,
                "read_done": self.readers,
                "odd": 1,
            }
        )
        due = Signal(answer)
        m.d.comb += [
            due.fetched.eq(fetch_grant),
            due.tag.eq(self.fetch.request.p.tag),
            due.shift.eq(offset),
            due.read_done.eq(Mux(read_grant, 1 << reader, 0)),
            due.odd.eq(Mux(fetch_grant, word[0], ~read_word[0])),
        ]
        for cycle in range(self.read_latency):
            next_due = Signal(answer, name=f"due{cycle + 1}")
            m.d.sync += next_due.eq(due)
            due = next_due
        low = Mux(due.odd, bank_data[1], bank_data[0])
        high = Mux(due.odd, bank_data[0], bank_data[1])
        m.d.sync += [
            self.fetch.valid.eq(due.fetched),
            self.fetch.tag.eq(due.tag),
            self.fetch.data.eq(Cat(low, high) >> (due.shift << 3)),
        ]
        for index in range(self.readers):
            m.d.comb += [
                self.reads[index].valid.eq(due.read_done[index]),
                self.reads[index].data.eq(high),
            ]
        return m
