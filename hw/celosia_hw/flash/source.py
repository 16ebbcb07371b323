# SPDX-License-Identifier: BSD-2-Clause
"""What the flash memory is read for: a boot stream, then weights."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.interfaces import ExternalSignature
from ..isa import Boot
from .layout import ALIGNMENT, WEIGHTS_OFFSET
from .reader import REQUEST_LAYOUT


class FlashSource(wiring.Component):
    """While ``boot`` is BUSY, bits from ``base`` on; then what ``external`` asks for, whose address
    0 is ``base + WEIGHTS_OFFSET``.

    ``bits`` come lowest first, and ``unit_end`` has to say which one is the last of 32. Until then
    the request of ``external`` has to be that of all units, from its address 0 on. ``request``,
    ``units``, ``shift`` and ``stop`` are those of a ``FlashReader``. Latency: none.
    """

    def __init__(self, *, base: int) -> None:
        if base % ALIGNMENT or not 0 <= base <= (1 << 24) - WEIGHTS_OFFSET:
            raise ValueError(f"base must be a multiple of {ALIGNMENT} in 16 MiB, not {base!r}")
        self.base = base
        super().__init__(
            {
                "boot": In(Boot),
                "bits": Out(stream.Signature(1)),
                "unit_end": In(1),
                "external": In(ExternalSignature()),
                "request": Out(stream.Signature(REQUEST_LAYOUT)),
                "units": In(stream.Signature(32)),
                "shift": Out(1),
                "stop": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        external, units, bits = self.external, self.units, self.bits
        booting = Signal()
        was_booting = Signal(init=1)
        asked = Signal()  # for the boot stream
        m.d.comb += booting.eq(self.boot == Boot.BUSY)
        m.d.sync += was_booting.eq(booting)
        with m.If(booting & self.request.ready):
            m.d.sync += asked.eq(1)

        # The lower 16 bits of an address and the base do not overlap. A boot stream ends by itself.
        address = external.request.p.address
        upper = Mux(booting, self.base, self.base + WEIGHTS_OFFSET) >> 16
        m.d.comb += [
            self.stop.eq(was_booting & ~booting),
            bits.payload.eq(units.payload[0]),
            bits.valid.eq(booting & units.valid),
            self.shift.eq(bits.valid & bits.ready),
            external.units.payload.eq(units.payload),
            external.units.valid.eq(~booting & units.valid),
            external.request.ready.eq(~booting & self.request.ready),
            units.ready.eq(Mux(booting, self.shift & self.unit_end, external.units.ready)),
            self.request.valid.eq(Mux(booting, ~asked, external.request.valid)),
            self.request.p.units.eq(external.request.p.units),
            self.request.p.address.eq(Cat(address[:16], (address[16:] + upper)[:8])),
        ]
        return m
