# SPDX-License-Identifier: BSD-2-Clause
"""The activation scratchpad for a fast clock: registers in front of its banks and behind them."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from ..config import AcceleratorConfig
from ..primitives.block_ram import BlockRam
from .interfaces import (
    TAP_LAYOUT,
    ReadSignature,
    fetch_signature,
    read_latency,
    word_address_bits,
    write_layout,
)
from .scratchpad import PATIENCE
from .skid_buffer import SkidBuffer

#: Cycles from a fetch to its data, at the least.
FETCH_LATENCY = 6
#: Cycles from a grant to a bank's data: address, block, and the block's register.
BANK_LATENCY = 3


class PipelinedScratchpad(wiring.Component):
    """``Scratchpad`` for configurations that are ``free_running`` and have two-port memory.

    A write waits for nobody and delays nobody. All others wait in buffers of their own, so that
    none hears of another in the cycle in which it asks. Of those that wait, in each cycle
    and bank a word read goes first if word reads have waited for ``PATIENCE`` cycles, then the
    fetch, then any other word read; of the word readers the first in ``reads`` wins.

    Word reads are answered ``read_latency`` cycles after they were accepted, fetches after
    ``FETCH_LATENCY`` cycles, or later if they have to wait. Throughput of each one a cycle.
    """

    def __init__(self, config: AcceleratorConfig, *, readers: int) -> None:
        assert not config.scratch_single_port
        assert read_latency(config) == 1 + BANK_LATENCY
        self.config = config
        self.readers = readers
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

        # The requests that wait, and the first of the word reads.
        m.submodules.fetch_buffer = fetch_buffer = SkidBuffer(self.fetch.request.payload.shape())
        connect(m, flipped(self.fetch.request), fetch_buffer.i)
        fetch = fetch_buffer.o
        waiting = []
        for index in range(self.readers):
            buffer = SkidBuffer(word_address_bits(config))
            m.submodules[f"buffer{index}"] = buffer
            connect(m, flipped(self.reads[index].request), buffer.i)
            waiting.append(buffer.o)
        first = [
            request.valid & ~Cat(other.valid for other in waiting[:index]).any()
            for index, request in enumerate(waiting)
        ]
        read_word = Signal(word_address_bits(config))
        m.d.comb += read_word.eq(_one_of(first, [request.payload for request in waiting]))

        # Who gets a bank.
        word, offset = fetch.p.address[offset_bits:], fetch.p.address[:offset_bits]
        straddles = offset > width - config.input_channels
        fetch_wants = [
            fetch.valid & (~word[0] | straddles),
            fetch.valid & (word[0] | straddles),
        ]
        waited = Signal(range(PATIENCE))
        urgent = Signal()  # then the fetch waits whatever its bank: the read asks too late for more
        fetch_grant = Signal()
        granted = Signal(self.readers)
        m.d.comb += [fetch.ready.eq(~urgent), fetch_grant.eq(fetch.valid & ~urgent)]
        for index, request in enumerate(waiting):
            free = urgent | ~Mux(request.payload[0], fetch_wants[1], fetch_wants[0])
            m.d.comb += [
                granted[index].eq(first[index] & free),
                request.ready.eq(granted[index]),
            ]
        with m.If(granted.any() | ~Cat(first).any()):
            m.d.sync += [waited.eq(0), urgent.eq(0)]
        with m.Elif(~urgent):
            m.d.sync += [waited.eq(waited + 1), urgent.eq(waited == PATIENCE - 1)]

        # The banks: addresses and what is written come from registers.
        write = self.write.p
        written = Signal.like(write, reset_less=True)
        m.d.comb += self.write.ready.eq(1)
        m.d.sync += written.eq(write)
        fetch_rows = ((word + 1)[1 : len(word)], word[1:])
        banks = []
        for number in range(2):
            bank = BlockRam(
                depth=config.scratch_bytes // (2 * width),
                width=8 * width,
                granularity=8,
                output_register=True,
            )
            m.submodules[f"bank{number}"] = bank
            enable = Signal(width, name=f"enable{number}")
            row = Signal(len(word) - 1, name=f"row{number}", reset_less=True)
            reads = (read_word[0] == number) & (urgent | ~fetch_wants[number])
            stores = self.write.valid & (write.word[0] == number)
            m.d.sync += [
                row.eq(Mux(reads, read_word[1:], fetch_rows[number])),
                enable.eq(Mux(stores, write.enable, 0)),
            ]
            m.d.comb += [
                bank.read_enable.eq(1),  # what is read without need is not used
                bank.read_address.eq(row),
                bank.write_enable.eq(enable),
                bank.write_address.eq(written.word[1:]),
                bank.write_data.eq(written.data),
            ]
            banks.append(bank.read_data)

        # What comes back. Both banks are a circle of bytes, on which a fetch begins somewhere.
        answer = data.StructLayout(
            {
                "fetched": 1,
                "tag": TAP_LAYOUT,
                "begin": offset_bits + 1,
                "read_done": self.readers,
                "read_odd": 1,
            }
        )
        due = Signal(answer)
        m.d.comb += [
            due.fetched.eq(fetch_grant),
            due.tag.eq(fetch.p.tag),
            due.begin.eq(fetch.p.address),
            due.read_done.eq(granted),
            due.read_odd.eq(read_word[0]),
        ]
        for cycle in range(BANK_LATENCY):
            following = Signal(answer, name=f"due{cycle + 1}")
            m.d.sync += following.eq(due)
            due = following
        for index in range(self.readers):
            m.d.comb += [
                self.reads[index].valid.eq(due.read_done[index]),
                self.reads[index].data.eq(Mux(due.read_odd, banks[1], banks[0])),
            ]

        # The fetched bytes in two steps: first to within a few bytes of their place.
        fine = (offset_bits + 2) // 2
        begin = Signal(fine, reset_less=True)
        tag, final_tag = (Signal(TAP_LAYOUT, name=n, reset_less=True) for n in ("tag", "final_tag"))
        fetched = Signal()
        circle = [bank[8 * byte : 8 * byte + 8] for bank in banks for byte in range(width)]
        close = Signal(8 * (config.input_channels + (1 << fine) - 1), reset_less=True)
        final = Signal(8 * config.input_channels, reset_less=True)
        steps = range(0, 2 * width, 1 << fine)
        near = [
            _selected(due.begin[fine:], [circle[(index + step) % (2 * width)] for step in steps])
            for index in range(len(close) // 8)
        ]
        last = [
            _selected(
                begin, [close[8 * byte : 8 * byte + 8] for byte in range(at, at + (1 << fine))]
            )
            for at in range(config.input_channels)
        ]
        m.d.sync += [
            close.eq(Cat(near)),
            begin.eq(due.begin),
            tag.eq(due.tag),
            fetched.eq(due.fetched),
            final.eq(Cat(last)),
            final_tag.eq(tag),
            self.fetch.valid.eq(fetched),
        ]
        m.d.comb += [self.fetch.data.eq(final), self.fetch.tag.eq(final_tag)]
        return m


def _one_of(chosen: Sequence[Value], values: Sequence[Value]) -> Value:
    """The value whose ``chosen`` is high, which at most one is."""
    result: Value = Const(0, len(values[0]))
    for bit, value in zip(chosen, values, strict=True):
        result |= Mux(bit, value, 0)
    return result


def _selected(index: Value, values: Sequence[Value]) -> Value:
    """``values[index]``, by multiplexers of two."""
    choices = list(values)
    for bit in index:
        choices = [Mux(bit, b, a) for a, b in zip(choices[::2], choices[1::2], strict=True)]
    return choices[0]
