# SPDX-License-Identifier: BSD-2-Clause
"""A serial port: 8 data bits, no parity, 1 stop bit."""

from __future__ import annotations

import math
from fractions import Fraction

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out, connect

from ..config import AcceleratorConfig
from .endpoint import Endpoint, join_link, link_members

#: Bits a second unless another rate is chosen.
BAUD_RATE = 1_000_000
#: How far off the rate may be. Both sides together may be about 4 % off.
_DEVIATION = Fraction(2, 100)
#: Shortest bit, in clock cycles: a start bit is placed to a cycle, the last bit 9.5 bits later.
_SHORTEST = 6


class BaudRateError(ValueError):
    """A baud rate that the clock cannot be divided to."""


def baud_divisor(clock_mhz: float | Fraction, baud_rate: int = BAUD_RATE) -> int:
    """Clock cycles of a bit.

    Raises:
        BaudRateError: the rate differs by more than 2 %, or a bit has fewer than 6 cycles.
    """
    cycles = Fraction(clock_mhz) * 1_000_000 / baud_rate
    deviation, divisor = min(
        (abs(cycles / divisor - 1), divisor)
        for divisor in (max(math.floor(cycles), 1), math.ceil(cycles))
    )
    if deviation > _DEVIATION or divisor < _SHORTEST:
        raise BaudRateError(
            f"a clock of {float(clock_mhz):.6g} MHz cannot be divided to {baud_rate:,} baud: "
            f"the divisor {divisor} is {float(deviation):.1%} off; choose a lower baud rate"
            if divisor >= _SHORTEST
            else f"a clock of {float(clock_mhz):.6g} MHz is too slow for {baud_rate:,} baud: it "
            f"must be at least {_SHORTEST * baud_rate / 1e6:g} MHz; choose a lower baud rate"
        )
    return divisor


class UartReceiver(wiring.Component):
    """Bytes from a serial line.

    Bits are sampled in their middle. A start bit that is over by then was a glitch. A byte whose
    stop bit is low is dropped: ``error`` is high for a cycle, and nothing more is received until
    the line is high. While ``enable`` is low no byte begins. ``tick`` is high once in ``divisor``
    cycles, but for the start of a byte, which begins a bit anew.

    Latency: a byte is valid 3 cycles behind the middle of its stop bit. There is no room for a
    second one: a byte that is not taken before the next start bit, half a bit later, spoils what
    follows until the line is idle for a byte.
    """

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor
        super().__init__(
            {
                "rx": In(1, init=1),
                "enable": In(1, init=1),
                "o": Out(stream.Signature(8)),
                "error": Out(1),
                "tick": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)

        cycle = Signal(range(self.divisor))
        middle = Signal()
        # Data bits enter at the top; when the marker arrives at the bottom they are complete.
        bits = Signal(9, reset_less=True)
        marker = 1 << 8
        m.d.comb += [
            middle.eq(cycle == self.divisor // 2 - 1),
            self.tick.eq(cycle == self.divisor - 1),
            self.o.payload.eq(bits[1:]),
        ]
        m.d.sync += cycle.eq(Mux(self.tick, 0, cycle + 1))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        with m.FSM():
            with m.State("IDLE"):
                with m.If(~line & self.enable & ~self.o.valid):
                    m.d.sync += cycle.eq(0)
                    m.next = "START"
            with m.State("START"):
                m.d.sync += bits.eq(marker)
                with m.If(middle):
                    with m.If(line):
                        m.next = "IDLE"
                    with m.Else():
                        m.next = "DATA"
            with m.State("DATA"):
                with m.If(middle):
                    with m.If(bits[0]):
                        m.d.sync += self.o.valid.eq(line)
                        m.d.comb += self.error.eq(~line)
                        m.next = "STOP"
                    with m.Else():
                        m.d.sync += bits.eq(Cat(bits[1:], line))
            with m.State("STOP"):
                with m.If(line):
                    m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """Bytes to a serial line.

    ``tick`` is high for a cycle once a bit, whether something is sent or not: a byte is taken, and
    bits end, in such a cycle. ``idle`` is high while no bit but a stop bit is sent. Latency: up to
    a bit. Throughput: a byte every 10 bits.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "tick": In(1),
                "tx": Out(1, init=1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The stop bit is the last one that is set; it stays and holds the line high.
        bits = Signal(10, init=1)
        m.d.comb += [
            self.idle.eq(bits[1:] == 0),
            self.tx.eq(bits[0]),
            self.i.ready.eq(self.tick & self.idle),
        ]
        with m.If(self.tick):
            with m.If(~self.idle):
                m.d.sync += bits.eq(bits[1:])
            with m.Elif(self.i.valid):
                m.d.sync += bits.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1)))
        return m


class UartLink(wiring.Component):
    """The framed protocol on a serial line. It does not listen while it sends.

    With ``boots`` it takes a boot stream first, as ``Endpoint`` does.
    """

    def __init__(self, config: AcceleratorConfig, *, divisor: int, boots: bool = False) -> None:
        self.config = config
        self.divisor = divisor
        self.boots = boots
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                **link_members(boots=boots),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter()
        m.submodules.endpoint = endpoint = Endpoint(self.config, boots=self.boots)
        join_link(m, self, endpoint)
        connect(m, receiver.o, endpoint.i)
        connect(m, endpoint.o, transmitter.i)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            transmitter.tick.eq(receiver.tick),
            receiver.enable.eq(endpoint.listening & transmitter.idle),
        ]
        return m
