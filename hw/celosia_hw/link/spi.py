# SPDX-License-Identifier: BSD-2-Clause
"""An SPI peripheral: mode 0, the most significant bit first, bytes in both directions."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out, connect

from ..config import AcceleratorConfig
from .endpoint import Endpoint, join_link, link_members
from .protocol import FLAG

#: Cycles of the clock in a period of the serial clock, at least.
LEAST_DIVISOR = 8


class SpiPeripheral(wiring.Component):
    """Bytes from and to an SPI controller, whose clock is at most an eighth of this one.

    While chip select ``cs_n`` is low, ``copi`` is sampled at rising edges of ``sck``, and ``cipo``
    changes at falling ones; ``cipo_enable`` says when to drive it. A byte that is not complete when
    ``cs_n`` rises is lost. ``o`` must be taken within 3 cycles. Where ``i`` has nothing to send, a
    flag is sent; what the first byte of a transfer is to be must be there 2 cycles before ``cs_n``
    falls.

    Latency: a byte is valid 3 cycles behind its last rising edge. ``cipo`` changes 3 cycles behind
    the falling edge: hence an eighth. Throughput: a byte every 8 periods of ``sck``.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "sck": In(1),
                "cs_n": In(1, init=1),
                "copi": In(1),
                "cipo": Out(1),
                "cipo_enable": Out(1),
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        clock = Signal()
        idle = Signal(init=1)
        copi = Signal()
        for name, pin, signal in (
            ("sck", self.sck, clock),
            ("cs_n", self.cs_n, idle),
            ("copi", self.copi, copi),
        ):
            init = signal.init
            m.submodules[name] = FFSynchronizer(pin, signal, init=init)
        before = Signal()
        m.d.sync += before.eq(clock)

        # Bits leave at the top and enter at the bottom.
        bits = Signal(8, reset_less=True)
        count = Signal(range(8))
        held = Signal()  # the bit that was sampled last, until it enters at the falling edge
        load = Signal()
        offered = Signal()  # what was loaded is a byte of ``i``
        m.d.comb += [
            self.cipo.eq(bits[7]),
            self.cipo_enable.eq(~idle),
            self.o.payload.eq(Cat(held, bits[:7])),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(clock & ~before):
            # Only now it is certain that it is sent.
            m.d.comb += self.i.ready.eq(offered & (count == 0) & ~idle)
            m.d.sync += [held.eq(copi), count.eq(count + 1)]
            m.d.sync += self.o.valid.eq(count.all() & ~idle)
        with m.If(~clock & before):
            m.d.sync += bits.eq(Cat(held, bits[:7]))
            m.d.comb += load.eq(count == 0)
        with m.If(idle):
            m.d.comb += load.eq(1)
            m.d.sync += count.eq(0)
        with m.If(load):
            m.d.sync += bits.eq(Mux(self.i.valid, self.i.payload, FLAG))
            m.d.sync += offered.eq(self.i.valid)
        return m


class SpiLink(wiring.Component):
    """The framed protocol on SPI. It does not listen while it has something to send.

    With ``boots`` it takes a boot stream first, as ``Endpoint`` does.
    """

    def __init__(self, config: AcceleratorConfig, *, boots: bool = False) -> None:
        self.config = config
        self.boots = boots
        super().__init__(
            {
                "sck": In(1),
                "cs_n": In(1, init=1),
                "copi": In(1),
                "cipo": Out(1),
                "cipo_enable": Out(1),
                **link_members(boots=boots),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.peripheral = peripheral = SpiPeripheral()
        m.submodules.endpoint = endpoint = Endpoint(self.config, boots=self.boots)
        join_link(m, self, endpoint)
        connect(m, endpoint.o, peripheral.i)
        m.d.comb += [
            endpoint.i.payload.eq(peripheral.o.payload),
            endpoint.i.valid.eq(peripheral.o.valid & endpoint.listening),
            peripheral.o.ready.eq(endpoint.i.ready | ~endpoint.listening),
            peripheral.sck.eq(self.sck),
            peripheral.cs_n.eq(self.cs_n),
            peripheral.copi.eq(self.copi),
            self.cipo.eq(peripheral.cipo),
            self.cipo_enable.eq(peripheral.cipo_enable),
        ]
        return m
