# SPDX-License-Identifier: BSD-2-Clause
"""A small memory, of whatever is the cheapest for it."""

from __future__ import annotations

from amaranth.hdl import Module, Shape, ShapeLike, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from . import family
from .block_ram import BlockRam


class SmallRam(wiring.Component):
    """``depth`` values of ``shape``, one write port and one read port.

    The value at ``read_address`` is on ``read_data`` one cycle after ``read_enable``, and stays
    until the next. One that is written in the cycle of its read must not be used. Contents are
    unknown at the start. One access of each kind a cycle. On ECP5 LUTs are the memory (Lattice
    FPGA-TN-02204, distributed memory), without the slow output of a block; elsewhere it is a
    ``BlockRam``.

    Raises:
        ValueError: ``depth`` is below 2.
    """

    def __init__(self, *, depth: int, shape: ShapeLike) -> None:
        if depth < 2:
            raise ValueError(f"depth must be 2 or more, not {depth!r}")
        self.depth = depth
        self.shape = shape
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(range(depth)),
                "write_data": In(shape),
                "read_enable": In(1),
                "read_address": In(range(depth)),
                "read_data": Out(shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = Shape.cast(self.shape).width
        written, read = Signal(width), Signal(width)
        m.d.comb += [written.eq(self.write_data), self.read_data.eq(read)]
        if family(platform) == "ecp5":
            m.submodules.memory = memory = Memory(shape=width, depth=self.depth, init=[])
            write_port, read_port = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                write_port.en.eq(self.write_enable),
                write_port.addr.eq(self.write_address),
                write_port.data.eq(written),
                read_port.addr.eq(self.read_address),
            ]
            output = Signal(width, reset_less=True)
            with m.If(self.read_enable):
                m.d.sync += output.eq(read_port.data)
            m.d.comb += read.eq(output)
        else:
            m.submodules.ram = ram = BlockRam(depth=self.depth, width=width)
            m.d.comb += [
                ram.write_enable.eq(self.write_enable),
                ram.write_address.eq(self.write_address),
                ram.write_data.eq(written),
                ram.read_enable.eq(self.read_enable),
                ram.read_address.eq(self.read_address),
                read.eq(ram.read_data),
            ]
        return m
