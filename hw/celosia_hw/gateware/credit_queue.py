# SPDX-License-Identifier: BSD-2-Clause
"""A queue behind a pipeline that never stops."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..primitives.small_ram import SmallRam


class CreditQueue(wiring.Component):
    """Takes what leaves a pipeline, which may admit only what there will be a place for.

    ``room`` is high while a place is free; ``admit`` reserves one, which the value that comes with
    ``push`` some cycles later takes, in order. So nothing that stops ``o`` has to stop the pipeline
    in the same cycle. Throughput one value a cycle; latency one cycle, or two if the output is
    ``registered``, for a faster clock or for memory blocks. ``empty``: no place is reserved or
    taken. With ``spare`` there is ``ample``, from a register: a cycle before, more places than that
    were free. ``fast`` takes more logic for the sake of a ``ready`` that comes late.
    ``depth`` is a power of two; 16 fill the RAM that LUTs make on ECP5.
    """

    def __init__(
        self,
        shape: ShapeLike,
        *,
        depth: int,
        registered: bool = False,
        spare: int = 0,
        fast: bool = False,
    ) -> None:
        assert depth > 1
        assert depth & (depth - 1) == 0
        self.shape = shape
        self.depth = depth
        assert 0 <= spare < depth
        self.registered = registered
        self.spare = spare
        self.fast = fast
        ports = {
            "room": Out(1, init=1),
            "empty": Out(1, init=1),
            "admit": In(1),
            "push": In(1),
            "i": In(shape),
            "o": Out(stream.Signature(shape)),
        }
        if spare:
            ports["ample"] = Out(1, init=1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Each is one less than what it counts, so that its sign tells that there is none: free
        # places, and values that have not been read from the memory.
        credits = Signal(range(-1, self.depth), init=self.depth - 1)
        level = Signal(range(-1, self.depth), init=-1)
        first = Signal(range(self.depth))
        behind = Signal(range(self.depth))
        read = Signal()
        pop = Signal()
        m.d.comb += [
            pop.eq(self.o.valid & self.o.ready),
            self.room.eq(credits >= 0),
            self.empty.eq(credits == self.depth - 1),
        ]
        if self.fast:
            # Both sums are there before it is known whether ``o`` is ready.
            more, as_many, fuller, as_full = (
                Signal.like(count, name=name, attrs={"keep": 1})
                for count, name in (
                    (credits, "more"),
                    (credits, "as_many"),
                    (level, "fuller"),
                    (level, "as_full"),
                )
            )
            m.d.comb += [
                as_many.eq(credits - self.admit),
                more.eq(credits - self.admit + 1),
                fuller.eq(level + self.push),
                as_full.eq(level + self.push - 1),
            ]
            m.d.sync += [credits.eq(Mux(pop, more, as_many)), level.eq(Mux(read, as_full, fuller))]
            with m.If(read):
                m.d.sync += first.eq(first + 1)
            with m.If(self.push):
                m.d.sync += behind.eq(behind + 1)
        else:
            m.d.sync += [
                credits.eq(credits + pop - self.admit),
                level.eq(level + self.push - read),
                first.eq(first + read),
                behind.eq(behind + self.push),
            ]
        if self.spare:
            m.d.sync += self.ample.eq(credits >= self.spare)
        if self.registered:
            m.submodules.ram = ram = SmallRam(depth=self.depth, shape=self.shape)
            m.d.comb += [
                ram.write_enable.eq(self.push),
                ram.write_address.eq(behind),
                ram.write_data.eq(self.i),
                ram.read_enable.eq(read),
                ram.read_address.eq(first),
                self.o.payload.eq(ram.read_data),
                read.eq((level >= 0) & (~self.o.valid | self.o.ready)),
            ]
            with m.If(read | self.o.ready):
                m.d.sync += self.o.valid.eq(read)
        else:
            m.submodules.memory = memory = Memory(shape=self.shape, depth=self.depth, init=[])
            write_port, read_port = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                write_port.en.eq(self.push),
                write_port.addr.eq(behind),
                write_port.data.eq(self.i),
                read_port.addr.eq(first),
                self.o.payload.eq(read_port.data),
                self.o.valid.eq(level >= 0),
                read.eq(pop),
            ]
        return m
