# SPDX-License-Identifier: BSD-2-Clause
"""Streams data from a serial flash memory."""

from __future__ import annotations

import math
from fractions import Fraction

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.counter import count_up
from ..isa import EXTERNAL_ADDRESS_BITS, SEGMENT_BITS

#: Clock cycles from one with ``clock`` high to the one in which the block sees what the memory had
#: on its lines: a register on the way out, and one on the way in.
PIN_LATENCY = 2

#: What is sent after a reset, and last the read command, each byte a command of its own but for
#: the last one of WRITE_STATUS. See the class for what they do.
MODE_RESET, RELEASE, RESET_ENABLE, RESET = 0xFF, 0xAB, 0x66, 0x99
VOLATILE, WRITE_STATUS, QUAD_ENABLE = 0x50, 0x31, 0x02
FAST_READ, FAST_READ_QUAD_IO = 0x0B, 0xEB
_WAKE = (MODE_RESET, RELEASE, RESET_ENABLE, RESET)
_QUAD = (*_WAKE, VOLATILE, WRITE_STATUS, QUAD_ENABLE, FAST_READ_QUAD_IO)
#: What precedes the read command ends with one that need not be waited for as long as for a reset.
_SINGLE = (*_WAKE, MODE_RESET, FAST_READ)

#: Microseconds before each command of the start: the longest of the times that a memory takes to
#: wake up (3) and to reset itself (30), or, after power-up, before its first command (20).
START_WAIT_US = 30
#: Nanoseconds between two commands: 50 after one that wrote a register, 10 after a read.
_DESELECT_NS = 50


class FlashSignature(wiring.Signature):
    """The memory's pins, seen from the FPGA, a register before them.

    ``cs_n`` and ``dq`` go through registers in the pins; ``dq.i`` comes from one. ``clock`` means
    a pulse of the serial clock in the cycle in which ``dq.o`` of this cycle is on the lines: with a
    divider of 1 its second half, with 2 the whole cycle, which follows one that is low.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "cs_n": Out(1, init=1),
                "clock": Out(1),
                "dq": Out(wiring.Signature({"o": Out(4), "oe": Out(4), "i": In(4)})),
            }
        )


#: A request; the address is that of a byte.
REQUEST_LAYOUT = data.StructLayout({"address": EXTERNAL_ADDRESS_BITS, "units": SEGMENT_BITS})


class FlashReader(wiring.Component):
    """Reads 32-bit units, lowest byte first, from a serial flash memory with 24-bit addresses.

    A ``request`` names a byte address, a multiple of 4, and a number of units, which follow in
    order; past the memory's end they go on at its beginning. While ``units`` is not ready the
    serial clock is held. A request is taken when its command was sent: until then it has to stay.

    ``shift`` moves the unit that waits to the right by a bit, for those who take it bit by bit.

    ``stop`` ends what is being done: the memory is deselected, units that did not leave yet are
    forgotten, ``units.valid`` falls. While it is high no read begins. A request that was not taken
    may be withdrawn in the same cycle, or is begun again. During the start it has no effect.

    Quad: command EBh with its address on four lines. Its mode bits are Fxh, which leaves no mode
    behind, so that each read has 20 clocks before its data. Else command 0Bh, which every memory
    knows, on one line, with 40 clocks. With ``divider`` 2 the serial clock has half the frequency
    of this one.

    After a reset, which may come at any moment, the memory is brought into a known state: a
    continuous read is ended (FFh), deep power-down is left (ABh), the memory resets itself (66h,
    99h), and its register is told that all four lines carry data (50h, 31h, 02h): in its volatile
    copy, which wears nothing and is forgotten without power. These last bytes differ from maker to
    maker, so ``quad`` is for memories that have them as Winbond's. Each command follows a wait of
    ``START_WAIT_US`` to twice as much, five or six times in all.

    Latency: 28 serial clocks (single 72) from a request to the end of its first unit, and
    ``latency`` and 2 cycles more, if the memory was deselected for 100 ns; else up to that longer.
    Throughput: a unit every 8 serial clocks (single 32), if each is taken before the last of them
    for the next one. ``latency`` is that of the pins.
    """

    def __init__(
        self,
        *,
        clock_mhz: float | Fraction,
        quad: bool = True,
        divider: int = 1,
        latency: int = PIN_LATENCY,
    ) -> None:
        if divider not in (1, 2):
            raise ValueError(f"divider must be 1 or 2, not {divider!r}")
        if not 1 <= latency <= 4:
            raise ValueError(f"latency must be from 1 to 4, not {latency!r}")
        if not 1 <= clock_mhz <= 400:
            raise ValueError(f"clock_mhz must be from 1 to 400, not {clock_mhz!r}")
        self.clock_mhz = Fraction(clock_mhz)
        self.quad = quad
        self.divider = divider
        self.latency = latency
        super().__init__(
            {
                "request": In(stream.Signature(REQUEST_LAYOUT)),
                "units": Out(stream.Signature(32)),
                "stop": In(1),
                "shift": In(1),
                "pins": Out(FlashSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lines = 4 if self.quad else 1
        clocks = 32 // lines
        table = _QUAD if self.quad else _SINGLE
        read = len(table) - 1
        dq = self.pins.dq

        step = Signal(range(len(table)))  # the byte of the table that is or will be sent
        running = Signal()  # the start is over
        stop = Signal()
        m.d.comb += stop.eq(self.stop & running)
        # Between commands it counts cycles; in a read, up to zero, the units.
        count = Signal(SEGMENT_BITS + 1)
        # The address leaves at the top while what the lines hold enters at the bottom. It starts
        # with ones as lines 2 and 3 have other functions, when low, until all are for data.
        shift = Signal(32 - lines, init=-1)

        # The part of a command: its byte, the address, clocks without meaning, data; the clock
        # within it, or within a unit, and whether that is the last one.
        selected = Signal()
        part = Signal(2, reset_less=True)
        index = Signal(range(clocks), reset_less=True)
        last = Signal(reset_less=True)
        command = selected & (part == 0)
        address = part == 1
        receiving = part == 3

        slot = Signal(init=self.divider == 1)  # whether a serial clock may be in this cycle
        if self.divider == 2:
            m.d.sync += slot.eq(~slot)
        clock = Signal()
        over = Signal()  # no clocks are left
        # All the time in which the command is sent: it must not wait for the last clock.
        load = command & running
        m.d.comb += [
            over.eq(receiving & ~count[-1]),
            # The last part of a unit is not asked for while there is no room for the unit.
            clock.eq(slot & selected & ~over & ~(receiving & last & self.units.valid)),
            self.request.ready.eq(load & clock & last),
            self.pins.cs_n.eq(~selected),
            self.pins.clock.eq(clock),
        ]
        complete = command & last & ~running  # there are no other parts
        with m.If(clock):
            m.d.sync += [index.eq(index + 1), last.eq(index == clocks - 2)]
            with m.If(last & ~complete):
                if self.quad:
                    m.d.sync += part.eq(Mux(part[1], 3, part + 1))
                    # Before the data there are four clocks without meaning.
                    m.d.sync += index[2].eq(address)
                else:
                    m.d.sync += part.eq(Mux(part[0], 3, 1))
        with m.If(~selected):
            m.d.sync += [index.eq(clocks - 8), last.eq(0), part.eq(0)]

        # Waits, and units.
        end = clock & last
        waited = Mux(
            running,
            count[self._bit(Fraction(_DESELECT_NS, 1000))],
            count[self._bit(Fraction(START_WAIT_US))],
        )
        # The clocks before the first unit count like a unit.
        counts = (~selected & ~waited) | (end & (part[1] if self.quad else part[0]))
        with m.If(counts | command):
            m.d.sync += count.eq(count_up(count, load))
        with m.If(load):
            m.d.sync += count.eq(Cat(~self.request.p.units, Const(1, 1)))
        with m.If((command & ~running) | stop):
            m.d.sync += count.eq(0)

        # What is sent.
        bits = Const(sum(_reversed(byte) << 8 * place for place, byte in enumerate(table)), 64)
        bit = bits.bit_select(Cat(index[:3], step), 1)
        driven = selected & ~part[1]
        if self.quad:
            m.d.comb += [dq.o.eq(shift[-4:]), dq.oe.eq(Cat(driven, address, driven, driven))]
        else:
            m.d.comb += [dq.o.eq(0b1100), dq.oe.eq(Cat(driven, Const(0b110, 3)))]
        m.d.comb += dq.o[0].eq(Mux(command, bit, shift[-lines]))

        # What is received.
        arrives = receiving & clock
        completes = receiving & end
        for _ in range(self.latency):
            delayed = Signal(2)
            m.d.sync += delayed.eq(Cat(arrives, completes))
            with m.If(stop):
                m.d.sync += delayed.eq(0)
            arrives, completes = delayed
        received = Cat(dq.i if self.quad else dq.i[1], shift)
        with m.If(arrives | (address & clock)):
            m.d.sync += shift.eq(received)
        with m.If(load):
            m.d.sync += shift.eq(Cat(Const(-1, len(shift) - 24), self.request.p.address))
        unit = Signal(32, reset_less=True)
        m.d.comb += self.units.payload.eq(unit)
        with m.If(self.units.ready):
            m.d.sync += self.units.valid.eq(0)
        with m.If(self.shift):
            m.d.sync += unit.eq(unit >> 1)
        with m.If(completes):
            m.d.sync += [
                self.units.valid.eq(1),
                unit.eq(Cat(received[at : at + 8] for at in (24, 16, 8, 0))),
            ]

        # From command to command.
        ends = complete & clock
        with m.If(ends):
            m.d.sync += [step.eq(step + 1), running.eq(step == read - 1)]
        if self.quad:
            # The value of a register belongs to the command before it.
            ends &= step != table.index(WRITE_STATUS)
        with m.If(selected):
            m.d.sync += selected.eq(~ends)
        with m.Elif(~running | self.request.valid):
            m.d.sync += selected.eq(waited & slot)
        with m.If(over | stop):
            m.d.sync += selected.eq(0)
        with m.If(stop):
            m.d.sync += self.units.valid.eq(0)
        return m

    def _bit(self, microseconds: Fraction) -> int:
        """The bit of a counter that rises after so much time, or up to twice as much."""
        return max(math.ceil(math.log2(microseconds * self.clock_mhz)), 0)


def _reversed(byte: int) -> int:
    """The first bit on the line becomes the lowest."""
    return int(f"{byte:08b}"[::-1], 2)
