# SPDX-License-Identifier: BSD-2-Clause
"""One 4 kbit memory block of iCE40."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from . import family

#: Bits of one block.
BITS = 4096
#: READ_MODE and WRITE_MODE of each word width.
_MODES = {16: 0, 8: 1, 4: 2, 2: 3}
#: Where data bit i is on the ports: at i * step + first.
_FIRST = {16: 0, 8: 0, 4: 1, 2: 3}


class Ebr(wiring.Component):
    """``4096 // width`` words of ``width`` bits, one write port and one read port.

    The word at ``read_address`` is on ``read_data`` one cycle after ``read_enable``, and stays
    until the next. Of words of 16 bits those bits are written whose ``write_mask`` is high; the
    port is absent for narrower words. A word that is written in the cycle of its read must not be
    used. One access of each kind a cycle. On iCE40 it is one SB_RAM40_4K (Lattice
    FPGA-TN-02002, Memory Usage Guide for iCE40 Devices).

    Raises:
        ValueError: ``width`` is not 2, 4, 8 or 16.
    """

    def __init__(self, *, width: int) -> None:
        if width not in _MODES:
            raise ValueError(f"width must be 2, 4, 8 or 16, not {width!r}")
        self.width = width
        self.depth = BITS // width
        ports = {
            "write_enable": In(1),
            "write_address": In(range(self.depth)),
            "write_data": In(width),
            "read_enable": In(1),
            "read_address": In(range(self.depth)),
            "read_data": Out(width),
        }
        if width == 16:
            ports["write_mask"] = In(16)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        mask = self.write_mask if self.width == 16 else Const(-1, self.width)
        if family(platform) == "ice40":
            written, read = Signal(16), Signal(16)
            write_address, read_address = Signal(11), Signal(11)
            m.d.comb += write_address.eq(self.write_address)
            m.d.comb += read_address.eq(self.read_address)
            step = 16 // self.width
            for bit in range(self.width):
                place = bit * step + _FIRST[self.width]
                m.d.comb += written[place].eq(self.write_data[bit])
                m.d.comb += self.read_data[bit].eq(read[place])
            m.submodules.ram = Instance(
                "SB_RAM40_4K",
                p_WRITE_MODE=_MODES[self.width],
                p_READ_MODE=_MODES[self.width],
                # WE and RE need less time before the clock edge than the enables of the clocks.
                i_WCLK=ClockSignal(),
                i_WCLKE=Const(1),
                i_WE=self.write_enable,
                i_WADDR=write_address,
                i_WDATA=written,
                # Low is written; only words of 16 bits look at it.
                i_MASK=~mask if self.width == 16 else Const(0, 16),
                i_RCLK=ClockSignal(),
                i_RCLKE=Const(1),
                i_RE=self.read_enable,
                i_RADDR=read_address,
                o_RDATA=read,
            )
            return m
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=[])
        write_port = memory.write_port(granularity=1)
        read_port = memory.read_port()
        m.d.comb += [
            write_port.en.eq(mask & self.write_enable.replicate(self.width)),
            write_port.addr.eq(self.write_address),
            write_port.data.eq(self.write_data),
            read_port.en.eq(self.read_enable),
            read_port.addr.eq(self.read_address),
            self.read_data.eq(read_port.data),
        ]
        return m
