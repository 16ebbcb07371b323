# SPDX-License-Identifier: BSD-2-Clause
"""The control port as a peripheral on a Wishbone bus (revision B4, classic cycles)."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..gateware.interfaces import ControlSignature
from ..isa import Register


class WishboneSignature(wiring.Signature):
    """A 32-bit bus with 16 words, seen from the initiator; names as in the specification, without
    the direction. ``adr`` numbers words."""

    def __init__(self) -> None:
        super().__init__(
            {
                "cyc": Out(1),
                "stb": Out(1),
                "we": Out(1),
                "adr": Out(4),
                "dat_w": Out(32),
                "sel": Out(4),
                "dat_r": In(32),
                "ack": In(1),
                "err": In(1),
            }
        )


class WishboneLink(wiring.Component):
    """Bus cycles are accesses of the registers of ``isa.Register``, one each.

    A write of less than four bytes ends with ``err`` and changes nothing. ``irq`` is high
    from the end of a run, whether it is done, has paused or failed, until STATUS is read.

    Latency: ``ack`` comes in the cycle after the access, which takes one to a few cycles.
    Throughput: an access every two cycles, or as the port takes them.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "bus": In(WishboneSignature()),
                "busy": In(1),
                "irq": Out(1),
                "control": Out(ControlSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, port = self.bus, self.control
        # Data is registered, so that the bus does not see the port's logic.
        asks = Signal()
        partial = Signal()
        taken = Signal()
        m.d.comb += [
            asks.eq(bus.cyc & bus.stb & ~bus.ack & ~bus.err),
            partial.eq(bus.we & ~bus.sel.all()),
            port.valid.eq(asks & ~partial),
            port.write.eq(bus.we),
            port.address.eq(bus.adr),
            port.write_data.eq(bus.dat_w),
            taken.eq(port.valid & port.ready),
        ]
        m.d.sync += [bus.ack.eq(taken), bus.err.eq(asks & partial)]
        with m.If(taken):
            m.d.sync += bus.dat_r.eq(port.read_data)

        was_busy = Signal()
        m.d.sync += was_busy.eq(self.busy)
        with m.If(taken & ~bus.we & (bus.adr == Register.STATUS)):
            m.d.sync += self.irq.eq(0)
        with m.If(was_busy & ~self.busy):
            m.d.sync += self.irq.eq(1)
        return m
