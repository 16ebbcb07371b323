# SPDX-License-Identifier: BSD-2-Clause
"""The memory of weights or of parameters: written in 32-bit units, read in whole rows."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..primitives.block_ram import BlockRam
from .interfaces import RamWriteSignature

#: Cycles from a row to its data with registers in front of the memory blocks and in them.
PIPELINED_LATENCY = 3


class RowRam(wiring.Component):
    """``depth`` rows of ``chunks`` 32-bit units, unit 0 lowest.

    The row at ``row`` is on ``data`` one cycle after ``enable``, and stays until the next. A row
    must not be read in the cycle of its write.

    A memory with a ``latency`` of more than one cycle, for a fast clock, never stops: it reads a
    row in each cycle, which is on ``data`` that many cycles later. Three are for registers in
    front of the blocks and in them, a fourth is for one behind the choice among blocks. Writes pass
    one register more than reads: it is in the cycle after its write that a row must not be read,
    and before that the old row is.
    """

    def __init__(self, *, depth: int, chunks: int, latency: int = 1) -> None:
        assert latency in (1, PIPELINED_LATENCY, PIPELINED_LATENCY + 1)
        self.depth = depth
        self.chunks = chunks
        self.latency = latency
        ports = {
            "write": In(RamWriteSignature(depth, chunks)),
            "row": In(range(depth)),
            "data": Out(32 * chunks),
        }
        if latency == 1:
            ports["enable"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pipelined = self.latency > 1
        m.submodules.ram = ram = BlockRam(
            depth=self.depth,
            width=32 * self.chunks,
            granularity=32,
            output_register=pipelined,
        )
        enable, chunk = self.write.enable, self.write.chunk
        row, unit = self.write.row, self.write.data
        if pipelined:
            # The clock is to be fast, and there are blocks in all places of the chip.
            enable, chunk, row, unit = self._delayed(m, (enable, chunk, row, unit), "write")
        writes = Signal(self.chunks)
        for index in range(self.chunks):
            m.d.comb += writes[index].eq(enable & (chunk == index))
        read_row, data = self.row, ram.read_data
        if pipelined:
            writes, row, unit = self._delayed(m, (writes, row, unit), "decoded")
            read_row = Signal.like(self.row, name="read_row", reset_less=True)
            m.d.sync += read_row.eq(self.row)
            if self.latency > PIPELINED_LATENCY:
                data = Signal.like(self.data, name="read_data", reset_less=True)
                m.d.sync += data.eq(ram.read_data)
        m.d.comb += [
            ram.write_enable.eq(writes),
            ram.write_address.eq(row),
            ram.write_data.eq(unit.replicate(self.chunks)),
            ram.read_address.eq(read_row),
            ram.read_enable.eq(1 if pipelined else self.enable),
            self.data.eq(data),
        ]
        return m

    @staticmethod
    def _delayed(m: Module, values: tuple[Value, ...], name: str) -> list[Value]:
        """All of them a cycle later."""
        registers: list[Value] = []
        for index, value in enumerate(values):
            register = Signal(len(value), name=f"{name}{index}", reset_less=True)
            m.d.sync += register.eq(value)
            registers.append(register)
        return registers
