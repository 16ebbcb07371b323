# SPDX-License-Identifier: BSD-2-Clause
"""A memory of which a proof knows one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amaranth.hdl import Assume, Elaboratable, Module, Mux, Shape, Signal, Value
from amaranth.lib.memory import Memory

if TYPE_CHECKING:
    from .harness import Harness


class WatchedMemory(Elaboratable):
    """Stands for ``memory`` in a proof: it keeps the row at ``address`` in ``cell``, and a read of
    any other row gives anything.

    As ``address`` is any row, what is proved of it holds for all of them. A row that is written in
    the cycle of a synchronous read gives anything as well: no block may use it. Contents are
    unknown at the start.
    """

    def __init__(self, harness: Harness, memory: Memory) -> None:
        assert len(memory.write_ports) == 1
        self.memory = memory
        self.harness = harness
        width = Shape.cast(memory.shape).width
        self.address = harness.constant(range(memory.depth), "watched")
        self.cell = Signal(width, name="cell")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += Assume(self.address < self.memory.depth)
        (write,) = self.memory.write_ports
        new = Value.cast(write.data)
        part = len(new) // len(write.en)
        for index, enable in enumerate(write.en):
            piece = slice(index * part, (index + 1) * part)
            with m.If(enable & (write.addr == self.address)):
                m.d.sync += self.cell[piece].eq(new[piece])
        for read in self.memory.read_ports:
            data = Value.cast(read.data)
            anything = self.harness.free(len(data), "anything")
            row = Mux(read.addr == self.address, self.cell, anything)
            if read.domain == "comb":
                m.d.comb += data.eq(row)
                continue
            for index, enable in enumerate(write.en):
                piece = slice(index * part, (index + 1) * part)
                collides = enable & (write.addr == read.addr)
                with m.If(read.en):
                    m.d.sync += data[piece].eq(Mux(collides, anything[piece], row[piece]))
        return m
