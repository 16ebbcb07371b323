# SPDX-License-Identifier: BSD-2-Clause
"""A scratchpad, as one of its word readers sees it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Const, Mux, Signal, Value

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.interfaces import has_pipelined_scratchpad, read_latency

from .harness import Harness


class ScratchpadModel:
    """The scratchpad at the port ``read``, which accepts words when it likes and answers when it
    may. A unit of it is its own address, but for those that are asked for while ``listing``, which
    are anything. ``places`` are the words on their way, the oldest first."""

    def __init__(
        self, h: Harness, config: AcceleratorConfig, read: Any, listing: Value, clear: Value
    ) -> None:
        m = h.m
        units = config.word_bytes // 4
        request = read.request
        pipelined = has_pipelined_scratchpad(config)
        steps = 3 if pipelined else read_latency(config)
        granted = request.valid & request.ready
        entry = Cat(granted, listing, request.payload)
        self.places: list[Value] = []
        m.d.comb += request.ready.eq(h.free(1, "ready"))
        if pipelined:
            # Two that wait to be granted.
            first, second = Signal(len(entry), name="first"), Signal(len(entry), name="second")
            grant = h.free(1, "grant") & first[0]
            m.d.comb += Assume(~request.ready | ~second[0])
            with m.If(grant):
                m.d.sync += [first.eq(Mux(second[0], second, entry)), second.eq(0)]
            with m.Elif(~first[0]):
                m.d.sync += first.eq(entry)
            with m.Elif(granted):
                m.d.sync += second.eq(entry)
            m.d.comb += Assert(first[0] | ~second[0])
            self.places += [second, first]
            entry = Mux(grant, first, 0)
            with m.If(clear):
                m.d.sync += [first.eq(0), second.eq(0)]
        for step in range(steps):
            following = Signal(len(entry), name=f"step{step}")
            m.d.sync += following.eq(Mux(clear, 0, entry))
            entry = following
            self.places.append(entry)
        self.places.reverse()
        self.units = units
        self.is_list = entry[1]
        m.d.comb += [
            read.valid.eq(entry[0]),
            read.data.eq(Mux(self.is_list, h.free(32 * units, "list"), self.own(entry[2:]))),
        ]
        self.on_way = sum((place[0] for place in self.places), start=Const(0, 1))

    def own(self, word: Value) -> Value:
        """The content of the word at ``word``."""
        bits = (self.units - 1).bit_length()
        rest = Const(0, 32 - bits - len(word))
        return Cat(Cat(Const(unit, bits), word, rest) for unit in range(self.units))
