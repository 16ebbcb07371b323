# SPDX-License-Identifier: BSD-2-Clause
"""Flags and escapes around frames (docs/protocol.md; the byte stuffing of RFC 1662)."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .protocol import ESCAPE, ESCAPE_CHANGE, FLAG

#: A byte of a frame, or a flag.
SYMBOL_LAYOUT = data.StructLayout({"byte": 8, "flag": 1})


class Deframer(wiring.Component):
    """Bytes of a line become bytes of frames; ``begin`` is high for a cycle at a flag, which is
    taken when a byte would be. Latency: none. Throughput: a byte a cycle."""

    def __init__(self) -> None:
        super().__init__(
            {"i": In(stream.Signature(8)), "o": Out(stream.Signature(8)), "begin": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        escaped = Signal()
        flag = self.i.payload == FLAG
        escape = self.i.payload == ESCAPE
        m.d.comb += [
            self.o.payload.eq(self.i.payload ^ Mux(escaped, ESCAPE_CHANGE, 0)),
            self.o.valid.eq(self.i.valid & ~flag & ~escape),
            self.i.ready.eq(self.o.ready),
            self.begin.eq(self.i.valid & self.i.ready & flag),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += escaped.eq(escape)
        return m


class Enframer(wiring.Component):
    """Bytes of frames, and flags, become bytes of a line. Latency: none. Throughput: a byte a
    cycle, or every other one where bytes must be escaped."""

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(SYMBOL_LAYOUT)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        escaped = Signal()
        symbol = self.i.payload
        special = ((symbol.byte == FLAG) | (symbol.byte == ESCAPE)) & ~escaped
        escapes = special & ~symbol.flag
        changed = symbol.byte ^ Mux(escaped, ESCAPE_CHANGE, 0)
        m.d.comb += [
            self.o.payload.eq(Mux(symbol.flag, FLAG, Mux(escapes, ESCAPE, changed))),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & ~escapes),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += escaped.eq(escapes)
        return m
