# SPDX-License-Identifier: BSD-2-Clause
"""The memory of weights or of parameters: written in 32-bit units, read in whole rows."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..primitives.block_ram import BlockRam
from .interfaces import RamWriteSignature


class RowRam(wiring.Component):
    """``depth`` rows of ``chunks`` 32-bit units, unit 0 lowest.

    The row at ``row`` is on ``data`` one cycle after ``enable``, and stays until the next. A row
    must not be read in the cycle of its write, nor, with an ``output_register``, in the next one;
    then there is also one register more on the way out, which takes the row in each cycle with
    ``advance``.
    """

    def __init__(self, *, depth: int, chunks: int, output_register: bool = False) -> None:
        self.depth = depth
        self.chunks = chunks
        self.output_register = output_register
        ports = {
            "write": In(RamWriteSignature(depth, chunks)),
            "enable": In(1),
            "row": In(range(depth)),
            "data": Out(32 * chunks),
        }
        if output_register:
            ports["advance"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ram = ram = BlockRam(
            depth=self.depth,
            width=32 * self.chunks,
            granularity=32,
            output_register=self.output_register,
        )
        if self.output_register:
            m.d.comb += ram.output_enable.eq(self.advance)
        writes = Signal(self.chunks)
        for chunk in range(self.chunks):
            m.d.comb += writes[chunk].eq(self.write.enable & (self.write.chunk == chunk))
        row, unit = self.write.row, self.write.data
        if self.output_register:
            # The clock is to be fast, and there are blocks in all places of the chip.
            ports = Cat(writes, row, unit)
            delayed = Signal.like(ports)
            m.d.sync += delayed.eq(ports)
            writes = delayed[: self.chunks]
            row = delayed[self.chunks : self.chunks + len(row)]
            unit = delayed[-len(unit) :]
        m.d.comb += [
            ram.write_enable.eq(writes),
            ram.write_address.eq(row),
            ram.write_data.eq(unit.replicate(self.chunks)),
            ram.read_address.eq(self.row),
            ram.read_enable.eq(self.enable),
            self.data.eq(ram.read_data),
        ]
        return m
