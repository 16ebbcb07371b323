# SPDX-License-Identifier: BSD-2-Clause
"""What the flash memory is read for: a boot stream, then weights."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.interfaces import ExternalSignature
from ..isa import Boot
from .reader import REQUEST_LAYOUT

#: From the beginning of a board's data in flash to the weights that are streamed; before them lies
#: the boot stream.
WEIGHTS_OFFSET = 1 << 20
#: Bases are multiples of this.
ALIGNMENT = 1 << 16


class FlashSource(wiring.Component):
    """While ``boot`` is BUSY, all bytes from ``base`` on; then what ``external`` asks for, whose
    address 0 is ``base + WEIGHTS_OFFSET``.

    ``request``, ``units`` and ``stop`` are those of a ``FlashReader``. Latency: none.
    """

    def __init__(self, *, base: int) -> None:
        if base % ALIGNMENT or not 0 <= base <= (1 << 24) - WEIGHTS_OFFSET:
            raise ValueError(f"base must be a multiple of {ALIGNMENT} in 16 MiB, not {base!r}")
        self.base = base
        super().__init__(
            {
                "boot": In(Boot),
                "bytes": Out(stream.Signature(8)),
                "external": In(ExternalSignature()),
                "request": Out(stream.Signature(REQUEST_LAYOUT)),
                "units": In(stream.Signature(32)),
                "stop": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        booting = Signal()
        was_booting = Signal(init=1)
        asked = Signal()  # for the boot stream
        place = Signal(2)  # of a byte in its unit
        m.d.comb += booting.eq(self.boot == Boot.BUSY)
        m.d.sync += was_booting.eq(booting)
        with m.If(booting & self.request.ready):
            m.d.sync += asked.eq(1)
        with m.If(self.bytes.valid & self.bytes.ready):
            m.d.sync += place.eq(place + 1)

        # The lower 16 bits of an address and the base do not overlap.
        address = self.external.request.p.address
        weights = (self.base + WEIGHTS_OFFSET) // ALIGNMENT
        m.d.comb += [
            self.stop.eq(was_booting & ~booting),
            self.bytes.payload.eq(self.units.payload.word_select(place, 8)),
            self.bytes.valid.eq(booting & self.units.valid),
            self.external.units.payload.eq(self.units.payload),
            self.external.units.valid.eq(~booting & self.units.valid),
            self.external.request.ready.eq(~booting & self.request.ready),
            self.units.ready.eq(
                Mux(booting, self.bytes.ready & place.all(), self.external.units.ready)
            ),
            self.request.valid.eq(Mux(booting, ~asked, self.external.request.valid)),
            # A boot stream ends by itself.
            self.request.p.units.eq(Mux(booting, ~0, self.external.request.p.units)),
            self.request.p.address.eq(
                Mux(booting, self.base, Cat(address[:16], (address[16:24] + weights)[:8]))
            ),
        ]
        return m
