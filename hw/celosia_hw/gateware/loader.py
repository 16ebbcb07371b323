# SPDX-License-Identifier: BSD-2-Clause
"""Fills a weight or parameter memory, as a ring that runs ahead of the layers, or from the host."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..isa import EXTERNAL_ADDRESS_BITS, SEGMENT_BITS, Source
from .counter import count_up
from .interfaces import ExternalSignature, RamWriteSignature, ReadSignature
from .readers import UnitReader, unit_address_bits


class RingLoader(wiring.Component):
    """Walks a list of segments and writes their units into consecutive rows.

    ``start`` (with ``list`` and ``source``) empties the ring and starts over; ``level`` is the
    number of complete rows that are not freed, ``arrived`` tells a cycle before that it grows by
    one, ``freed`` frees that many now. Loading stops when all rows are in use, and for good at the
    end of the list. ``host`` writes one unit at (``host_row``, chunk counted up from 0 at
    ``host_set``) while nothing is being loaded; its rows have a power of two of units, of which
    those beyond ``chunks`` are left out.

    ``data``, which is written but for units of the external memory, must be ``unit``, or while the
    loader is idle the payload of ``host``: who has several loaders has one choice for all.

    ``stop`` ends whatever is being done, without a promise about ``level`` until the next
    ``start``. Units of the external memory that are still to come then are taken and forgotten,
    before the next list is read.

    Throughput: that of ``UnitReader``, or one unit a cycle; less from the scratchpad into the last
    rows that are free.
    """

    def __init__(
        self, config: AcceleratorConfig, *, depth: int, chunks: int, free_limit: int, external: bool
    ) -> None:
        self.config = config
        self.depth = depth
        self.chunks = chunks
        self.free_limit = free_limit
        self.external_port = external
        members = {
            "start": In(1),
            "stop": In(1),
            "list": In(config.address_bits),
            "source": In(Source, init=Source.RESIDENT),
            "idle": Out(1),
            "level": Out(range(depth + 1)),
            "arrived": Out(1),
            "freed": In(range(free_limit + 1)),
            "read": Out(ReadSignature(config)),
            "ram": Out(RamWriteSignature(depth, chunks)),
            "unit": Out(32),
            "data": In(32),
            "host": In(stream.Signature(32)),
            "host_set": In(1),
            "host_row": In(range(depth)),
        }
        if external:
            members["external"] = Out(ExternalSignature())
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word_units = self.config.word_bytes // 4
        scratch_bits = unit_address_bits(self.config)
        walk = Module()  # all that a stop resets
        m.submodules.walk = ResetInserter(self.stop)(walk)
        walk.submodules.reader = reader = UnitReader(self.config)
        connect(walk, reader.read, flipped(self.read))

        begin = Signal()
        listing = Signal()  # asks for a unit of the list
        taking = Signal()  # waits for it
        second = Signal()  # of the two units of an entry
        checking = Signal()  # the entry is complete
        loading = Signal()
        done = Signal()
        use_external = Signal(reset_less=True) if self.external_port else Const(0, 1)
        owed = Signal()  # units that the external memory was asked for are still to come

        # The address of a unit of the list, and of the segment.
        list_address = Signal(scratch_bits, reset_less=True)
        address_bits, unit_bits = scratch_bits, scratch_bits
        if self.external_port:
            address_bits = max(address_bits, EXTERNAL_ADDRESS_BITS - 2)
            unit_bits = max(unit_bits, SEGMENT_BITS)
        # After a reset, a request at the external port would be for everything, from the begin on.
        address = Signal(address_bits)
        word = address[(word_units - 1).bit_length() : scratch_bits]
        take_address = Signal()
        m.d.comb += [
            take_address.eq(taking & reader.valid & ~second),
            reader.address.eq(Mux(listing, list_address, address)),
        ]
        with m.If(listing & reader.granted):
            m.d.sync += list_address.eq(count_up(list_address, begin))
        with m.If(begin):
            m.d.sync += list_address.eq(self.list[2:])
            if self.external_port:
                m.d.sync += use_external.eq(self.source == Source.EXTERNAL)
        with m.If(loading & reader.granted):
            # The first word may be one that is not used from its begin on.
            m.d.sync += [address[: word_units.bit_length() - 1].eq(0)]
            m.d.sync += word.eq(count_up(word, take_address))
        with m.If(take_address):
            m.d.sync += address.eq(reader.unit[2:])

        # The number of units, inverted: counts up, when words of one unit are requested, else when
        # units arrive.
        units = Signal(unit_bits)
        take_units = Signal()
        counted = Signal()
        m.d.comb += take_units.eq(taking & reader.valid & second)
        # The last unit is found a cycle ahead, as many others wait for this.
        but_one = units[1:].all()
        empty = but_one & units[0]
        with m.If(counted):
            m.d.sync += [units.eq(count_up(units, take_units)), done.eq(but_one & ~units[0])]
        with m.If(take_units):
            m.d.sync += [units.eq(~reader.unit), done.eq(0)]

        # A word that is asked for must find room when it arrives, and be needed. Near the end of
        # either this must not depend on what is on its way.
        full, careful = self._limits(reader.ahead if word_units == 1 else 0)
        from_scratch = Signal()
        from_host = Signal()
        if word_units == 1:
            m.d.comb += [
                from_scratch.eq(reader.valid & ~taking),
                counted.eq(loading & reader.granted),
            ]
        else:
            # One more may arrive before this is known, if it comes from a register.
            margin = reader.ahead + self.config.free_running
            careful |= units[margin.bit_length() :].all()
            m.d.comb += [
                from_scratch.eq(reader.valid & loading & ~done & ~full),
                counted.eq(from_scratch),
            ]
        if self.config.free_running:
            careful_before, careful = careful, Signal()
            m.d.sync += careful.eq(careful_before)
        written = Signal()
        host_ready = self.idle
        if self.config.free_running:
            # For a fast clock from a register.
            host_ready = Signal()
            m.d.sync += host_ready.eq(self.idle & ~self.start)
        m.d.comb += [
            reader.ask.eq(
                Mux(
                    listing,
                    reader.idle & ~owed,
                    loading & ~use_external & ~done & ~full & (reader.idle | ~careful),
                )
            ),
            reader.drop.eq(listing | checking),
            reader.take.eq(taking | from_scratch),
            written.eq(from_scratch),
            from_host.eq(self.host.valid & self.host.ready),
            self.host.ready.eq(host_ready),
            self.unit.eq(reader.unit),
            self.ram.data.eq(self.data),
        ]
        if self.external_port:
            external = self.external
            received = external.units.valid & external.units.ready
            m.d.comb += [
                external.request.valid.eq(checking & use_external & ~empty),
                external.request.p.address.eq(Cat(Const(0, 2), address)),
                external.request.p.units.eq(~units),
                external.units.ready.eq(owed & ~(loading & full)),
            ]
            with m.If(owed):
                m.d.comb += [counted.eq(received), written.eq(received & loading)]
            with m.If(external.request.valid & external.request.ready):
                m.d.sync += owed.eq(1)
            with m.Elif(done):
                m.d.sync += owed.eq(0)
            with m.If(~self.idle & use_external):
                m.d.comb += self.ram.data.eq(external.units.payload)

        self._count_rows(m, begin, written, from_host)

        with walk.If(taking & reader.valid):
            walk.d.sync += second.eq(~second)
        with walk.FSM() as fsm:
            walk.d.comb += [
                self.idle.eq(fsm.ongoing("IDLE")),
                listing.eq(fsm.ongoing("LIST")),
                taking.eq(fsm.ongoing("TAKE")),
                checking.eq(fsm.ongoing("CHECK")),
                loading.eq(fsm.ongoing("LOAD")),
            ]
            with walk.State("IDLE"):
                walk.d.comb += begin.eq(self.start)
                with walk.If(self.start & (self.source != Source.RESIDENT)):
                    walk.next = "LIST"
            with walk.State("LIST"):
                with walk.If(reader.granted):
                    walk.next = "TAKE"
            with walk.State("TAKE"):
                with walk.If(reader.valid):
                    walk.next = "LIST"
                    with walk.If(second):
                        walk.next = "CHECK"
            with walk.State("CHECK"):
                with walk.If(empty):
                    walk.next = "IDLE"
                with walk.Elif(~use_external):
                    walk.next = "LOAD"
                if self.external_port:
                    with walk.Elif(self.external.request.ready):
                        walk.next = "LOAD"
            with walk.State("LOAD"):
                with walk.If(done):
                    walk.next = "LIST"
        return m

    def _limits(self, ahead: int) -> tuple[Value, Value]:
        """Whether all rows are in use, and whether all but the last few are, which have room for
        ``ahead`` units and one more."""
        level = self.level
        bits = max(2, ahead.bit_length())
        if self.depth & (self.depth - 1) == 0:
            return level[-1], level[-1] | level[bits:-1].all()
        return level == self.depth, level > self.depth - (1 << bits)

    def _count_rows(self, m: Module, begin: Signal, written: Signal, from_host: Signal) -> None:
        """Where the next unit goes, and how many rows are complete."""
        row = Signal(range(self.depth), reset_less=True)
        chunk = Signal(range(max(self.chunks, 2)), reset_less=True)
        last_chunk = chunk == self.chunks - 1
        exists: Value = Const(1, 1)
        if self.chunks & (self.chunks - 1):
            # A row of the host's has a power of two of units.
            last_chunk = Mux(self.idle, chunk.all(), last_chunk)
            exists = chunk < self.chunks
        host_set = Signal()
        m.d.comb += [
            self.ram.row.eq(row),
            self.ram.chunk.eq(chunk),
            self.ram.enable.eq((written | from_host) & exists),
            host_set.eq(self.host_set & self.idle),
        ]
        with m.If(written | from_host):
            m.d.sync += chunk.eq(chunk + 1)
            with m.If(last_chunk):
                m.d.sync += [chunk.eq(0), row.eq(count_up(row, host_set))]
                if self.depth & (self.depth - 1):
                    with m.If(row == self.depth - 1):
                        m.d.sync += row.eq(0)
        with m.If(host_set):
            m.d.sync += [row.eq(self.host_row), chunk.eq(0)]
        with m.If(begin):
            m.d.sync += [row.eq(0), chunk.eq(0)]

        # Rows that the host writes are not counted: they are never freed.
        complete = self.arrived
        m.d.comb += complete.eq(written & last_chunk)
        if self.free_limit == 1:
            with m.If(complete ^ self.freed):
                m.d.sync += self.level.eq(
                    self.level + Cat(1, self.freed.replicate(len(self.level) - 1))
                )
        else:
            m.d.sync += self.level.eq(self.level + complete - self.freed)
        with m.If(begin):
            m.d.sync += self.level.eq(0)
