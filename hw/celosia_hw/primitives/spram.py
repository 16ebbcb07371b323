# SPDX-License-Identifier: BSD-2-Clause
"""One 256 kbit single-port memory block of iCE40 UltraPlus."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from . import family

#: Words of one block.
DEPTH = 16384
#: Bits of a word.
WIDTH = 16


class Spram(wiring.Component):
    """16,384 words of 16 bits, of which one is read or written in each cycle with ``enable``.

    Without ``write_enable`` the word at ``address`` is on ``read_data`` one cycle later, and stays
    while ``enable`` is low. A write stores the bytes whose ``write_mask`` is high; after it
    ``read_data`` must not be used until the next read. Contents are unknown at the start. On iCE40
    it is one SB_SPRAM256KA (Lattice FPGA-TN-02022, iCE40 SPRAM Usage Guide), always awake.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "enable": In(1),
                "address": In(range(DEPTH)),
                "write_enable": In(1),
                "write_mask": In(2),
                "write_data": In(WIDTH),
                "read_data": Out(WIDTH),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if family(platform) == "ice40":
            m.submodules.ram = Instance(
                "SB_SPRAM256KA",
                i_CLOCK=ClockSignal(),
                i_CHIPSELECT=self.enable,
                i_WREN=self.write_enable,
                i_ADDRESS=self.address,
                i_DATAIN=self.write_data,
                # One bit for each four bits of data.
                i_MASKWREN=Cat(bit.replicate(2) for bit in self.write_mask),
                i_STANDBY=Const(0),
                i_SLEEP=Const(0),
                i_POWEROFF=Const(1),  # active low
                o_DATAOUT=self.read_data,
            )
            return m
        m.submodules.memory = memory = Memory(shape=WIDTH, depth=DEPTH, init=[])
        write_port = memory.write_port(granularity=8)
        read_port = memory.read_port()
        writes = self.enable & self.write_enable
        m.d.comb += [
            write_port.en.eq(self.write_mask & writes.replicate(2)),
            write_port.addr.eq(self.address),
            write_port.data.eq(self.write_data),
            read_port.en.eq(self.enable & ~self.write_enable),
            read_port.addr.eq(self.address),
            self.read_data.eq(read_port.data),
        ]
        return m


class SinglePortRam(wiring.Component):
    """``depth`` words of ``width`` bytes, of which one is read or written in each cycle with
    ``enable``; otherwise as ``Spram``. On iCE40 it takes a column of blocks for each two bytes.

    Raises:
        ValueError: ``width`` is odd, or, on iCE40, ``depth`` is more than that of a block.
    """

    def __init__(self, *, depth: int, width: int) -> None:
        if width % 2 or width <= 0:
            raise ValueError(f"width must be an even number of bytes, not {width!r}")
        self.depth = depth
        self.width = width
        super().__init__(
            {
                "enable": In(1),
                "address": In(range(depth)),
                "write_enable": In(1),
                "write_mask": In(width),
                "write_data": In(8 * width),
                "read_data": Out(8 * width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if family(platform) == "ice40":
            if self.depth > DEPTH:
                raise ValueError(f"depth must be at most {DEPTH}, not {self.depth!r}")
            for column in range(self.width // 2):
                m.submodules[f"column{column}"] = block = Spram()
                data, mask = slice(16 * column, 16 * column + 16), slice(2 * column, 2 * column + 2)
                m.d.comb += [
                    block.enable.eq(self.enable),
                    block.address.eq(self.address),
                    block.write_enable.eq(self.write_enable),
                    block.write_mask.eq(self.write_mask[mask]),
                    block.write_data.eq(self.write_data[data]),
                    self.read_data[data].eq(block.read_data),
                ]
            return m
        # Of this very depth, not of whole blocks.
        m.submodules.memory = memory = Memory(shape=8 * self.width, depth=self.depth, init=[])
        write_port = memory.write_port(granularity=8)
        read_port = memory.read_port()
        m.d.comb += [
            write_port.en.eq(Mux(self.enable & self.write_enable, self.write_mask, 0)),
            write_port.addr.eq(self.address),
            write_port.data.eq(self.write_data),
            read_port.en.eq(self.enable & ~self.write_enable),
            read_port.addr.eq(self.address),
            self.read_data.eq(read_port.data),
        ]
        return m
