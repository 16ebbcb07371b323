# SPDX-License-Identifier: BSD-2-Clause
"""Fills a weight or parameter memory, as a ring that runs ahead of the layers, or from the host."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..isa import ADDRESS_BITS, Source
from .interfaces import ExternalSignature, RamWriteSignature, ReadSignature
from .readers import COUNT_BITS, UnitReader


class RingLoader(wiring.Component):
    """Walks a list of segments and writes their units into consecutive rows.

    ``start`` (with ``list`` and ``source``) empties the ring and starts over; ``level`` is the
    number of complete rows that are not freed, ``freed`` frees that many now. Loading stops when
    all rows are in use, and for good at the end of the list. ``host`` writes one unit at
    (``host_row``, chunk counted up from 0 at ``host_set``) while nothing is being loaded.
    Throughput: one unit a cycle.
    """

    def __init__(
        self, config: AcceleratorConfig, *, depth: int, chunks: int, free_limit: int, external: bool
    ) -> None:
        self.config = config
        self.depth = depth
        self.chunks = chunks
        self.external_port = external
        members = {
            "start": In(1),
            "list": In(ADDRESS_BITS),
            "source": In(Source, init=Source.RESIDENT),
            "idle": Out(1),
            "level": Out(range(depth + 1)),
            "freed": In(range(free_limit + 1)),
            "read": Out(ReadSignature(config)),
            "ram": Out(RamWriteSignature(depth, chunks)),
            "host": In(stream.Signature(32)),
            "host_set": In(1),
            "host_row": In(range(depth)),
        }
        if external:
            members["external"] = Out(ExternalSignature())
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader = reader = UnitReader(self.config)
        connect(m, flipped(self.read), reader.read)

        segment = Signal(data.StructLayout({"address": 32, "units": 32}))
        list_address = Signal(ADDRESS_BITS)
        source = Signal(Source)
        left = Signal(COUNT_BITS)
        row = Signal(range(self.depth))
        chunk = Signal(range(max(self.chunks, 2)))
        row_done = Signal()
        space = Signal()

        units = stream.Interface(stream.Signature(32))
        write = Signal()
        m.d.comb += [
            space.eq(self.level != self.depth),
            self.ram.row.eq(row),
            self.ram.chunk.eq(chunk),
            self.ram.enable.eq(write),
            row_done.eq(write & (chunk == self.chunks - 1)),
        ]
        with m.If(write):
            m.d.sync += chunk.eq(Mux(chunk == self.chunks - 1, 0, chunk + 1))
            with m.If(row_done):
                m.d.sync += row.eq(Mux(row == self.depth - 1, 0, row + 1))

        if self.external_port:
            use_external = source == Source.EXTERNAL
            m.d.comb += [
                self.external.request.p.address.eq(segment.address),
                self.external.request.p.units.eq(segment.units),
            ]
        else:
            use_external = 0
        m.d.comb += self.ram.data.eq(units.payload)

        with m.FSM() as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.comb += [
                    self.host.ready.eq(1),
                    write.eq(self.host.valid),
                    self.ram.data.eq(self.host.payload),
                ]
                with m.If(self.host_set):
                    m.d.sync += [row.eq(self.host_row), chunk.eq(0)]
                with m.If(self.start & (self.source != Source.RESIDENT)):
                    m.d.sync += [row.eq(0), chunk.eq(0)]
                    m.next = "LIST"
            with m.State("LIST"):
                m.d.comb += [
                    reader.i.valid.eq(1),
                    reader.i.p.address.eq(list_address),
                    reader.i.p.units.eq(2),
                ]
                with m.If(reader.i.ready):
                    m.d.sync += list_address.eq(list_address + 8)
                    m.next = "ADDRESS"
            with m.State("ADDRESS"):
                m.d.comb += reader.o.ready.eq(1)
                with m.If(reader.o.valid):
                    m.d.sync += segment.address.eq(reader.o.payload)
                    m.next = "UNITS"
            with m.State("UNITS"):
                m.d.comb += reader.o.ready.eq(1)
                with m.If(reader.o.valid):
                    m.d.sync += [segment.units.eq(reader.o.payload), left.eq(reader.o.payload)]
                    with m.If(reader.o.payload == 0):
                        m.next = "IDLE"
                    with m.Else():
                        m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.comb += [
                    reader.i.p.address.eq(segment.address),
                    reader.i.p.units.eq(segment.units),
                ]
                with m.If(use_external):
                    if self.external_port:
                        m.d.comb += self.external.request.valid.eq(1)
                        with m.If(self.external.request.ready):
                            m.next = "LOAD"
                with m.Else():
                    m.d.comb += reader.i.valid.eq(1)
                    with m.If(reader.i.ready):
                        m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += [
                    units.payload.eq(reader.o.payload),
                    units.valid.eq(reader.o.valid & ~use_external),
                    reader.o.ready.eq(units.ready & ~use_external),
                    units.ready.eq(space),
                    write.eq(units.valid & units.ready),
                ]
                if self.external_port:
                    with m.If(use_external):
                        m.d.comb += [
                            units.payload.eq(self.external.units.payload),
                            units.valid.eq(self.external.units.valid),
                            self.external.units.ready.eq(units.ready),
                        ]
                with m.If(write):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.next = "LIST"

        m.d.sync += self.level.eq(self.level + row_done - self.freed)
        with m.If(fsm.ongoing("IDLE")):
            # Rows that the host writes are not counted: they are never freed.
            m.d.sync += self.level.eq(self.level - self.freed)
            with m.If(self.start):
                m.d.sync += [
                    self.level.eq(0),
                    source.eq(self.source),
                    list_address.eq(self.list),
                ]
        return m
