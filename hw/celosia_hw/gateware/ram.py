# SPDX-License-Identifier: BSD-2-Clause
"""The memory of weights or of parameters: written in 32-bit units, read in whole rows."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .interfaces import RamWriteSignature


class RowRam(wiring.Component):
    """``depth`` rows of ``chunks`` 32-bit units, unit 0 lowest.

    The row at ``row`` is on ``data`` one cycle after ``enable``, and stays until the next.
    """

    def __init__(self, *, depth: int, chunks: int) -> None:
        self.depth = depth
        self.chunks = chunks
        super().__init__(
            {
                "write": In(RamWriteSignature(depth, chunks)),
                "enable": In(1),
                "row": In(range(depth)),
                "data": Out(32 * chunks),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=32 * self.chunks, depth=self.depth, init=[])
        write = memory.write_port(granularity=32)
        read = memory.read_port()
        m.d.comb += [
            write.addr.eq(self.write.row),
            write.data.eq(self.write.data.replicate(self.chunks)),
            read.addr.eq(self.row),
            read.en.eq(self.enable),
            self.data.eq(read.data),
        ]
        for chunk in range(self.chunks):
            m.d.comb += write.en[chunk].eq(self.write.enable & (self.write.chunk == chunk))
        return m
