# SPDX-License-Identifier: BSD-2-Clause
"""Runs a program: fetches instructions, starts the units, waits for them, takes the time."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..isa import ADDRESS_BITS, INSTRUCTION_BYTES, INSTRUCTION_WORDS, Error, Opcode
from .interfaces import COMPUTE_LAYOUT, SETUP_LAYOUT, ReadSignature, write_layout
from .readers import WordReader

#: What a run is doing, as the control port shows it.
STATE_LAYOUT = data.StructLayout({"busy": 1, "done": 1, "paused": 1, "error": 4, "index": 16})


class Sequencer(wiring.Component):
    """Executes instructions from ``address`` on when ``start`` is high, until END, an error, or
    ``breakpoint`` instructions (0: no limit); ``resume`` goes on from there.

    ``compute`` and ``fill`` start the units that work on ``instruction``; ``setup`` starts the ring
    loaders. ``working`` says that units or stores are not finished; ``flush`` asks for the
    last words. ``profile`` writes ``cycles`` when an instruction is complete: the time at which the
    write is taken, so that its data grows while it waits. From the end of an instruction's work to
    the start of the next one pass 23 or 24 cycles with words of 4 bytes, 15 or 18 with 8 bytes, 11
    or 13 with 16 bytes, more if others read the scratchpad.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "resume": In(1),
                "address": In(ADDRESS_BITS),
                "breakpoint": In(16),
                "state": Out(STATE_LAYOUT),
                "cycles": Out(32),
                "read": Out(ReadSignature(config)),
                "instruction": Out(COMPUTE_LAYOUT),
                "setup": Out(1),
                "compute": Out(1),
                "fill": Out(1),
                "working": In(1),
                "storing": In(1),
                "flush": Out(1),
                "table_enable": Out(1),
                "table_row": Out(9),
                "table_data": Out(32),
                "profile": Out(stream.Signature(write_layout(config))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.config.word_bytes
        shift = width.bit_length() - 1
        unit_bits = shift - 2
        m.submodules.reader = reader = WordReader(self.config)
        connect(m, flipped(self.read), reader.read)

        bits = Signal(32 * INSTRUCTION_WORDS)
        units = Signal(range(513))
        program = Signal(ADDRESS_BITS)
        profile = Signal(ADDRESS_BITS)
        state = self.state
        m.d.comb += [
            self.instruction.as_value().eq(bits),
            self.table_data.eq(reader.o.payload.word_select(units[:unit_bits], 32)),
            self.table_row.eq(units),
            reader.i.p.first.eq(program[shift:]),
            reader.i.p.words.eq(INSTRUCTION_BYTES // width),
            self.profile.p.urgent.eq(1),
            self.profile.p.word.eq(profile[shift:]),
            self.profile.p.data.eq(self.cycles.replicate(width // 4)),
        ]
        unit = profile[2:shift]
        for index in range(width // 4):
            m.d.comb += self.profile.p.enable[4 * index : 4 * index + 4].eq(
                Mux(unit == index, 0xF, 0) if width > 4 else 0xF
            )
        with m.If(state.busy):
            m.d.sync += self.cycles.eq(self.cycles + 1)

        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [
                        state.eq(0),
                        state.busy.eq(1),
                        program.eq(self.address),
                        self.cycles.eq(0),
                    ]
                    m.next = "FETCH"
                with m.Elif(self.resume & state.paused):
                    m.d.sync += [state.busy.eq(1), state.paused.eq(0)]
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += reader.i.valid.eq(1)
                with m.If(reader.i.ready):
                    m.d.sync += units.eq(0)
                    m.next = "RECEIVE"
            with m.State("RECEIVE"):
                m.d.comb += reader.o.ready.eq(1)
                with m.If(reader.o.valid):
                    m.d.sync += [
                        bits.eq(Cat(bits[8 * width :], reader.o.payload)),
                        units.eq(units + 1),
                    ]
                    with m.If(units == INSTRUCTION_BYTES // width - 1):
                        m.next = "DECODE"
            with m.State("DECODE"):
                m.d.sync += units.eq(0)
                with m.Switch(self.instruction.opcode):
                    with m.Case(Opcode.END):
                        m.d.sync += [state.busy.eq(0), state.done.eq(1)]
                        m.next = "IDLE"
                    with m.Case(Opcode.SETUP):
                        m.d.comb += self.setup.eq(1)
                        m.d.sync += profile.eq(data.View(SETUP_LAYOUT, bits).profile_base)
                        m.next = "PROFILE"
                    with m.Case(Opcode.CONV, Opcode.CHAIN, Opcode.MAX):
                        with m.If(self.instruction.second_pass):
                            m.next = "TABLES"
                        with m.Else():
                            m.next = "COMPUTE"
                    with m.Case(Opcode.FILL):
                        m.d.comb += self.fill.eq(1)
                        m.next = "WORK"
                    with m.Default():
                        m.d.sync += [state.busy.eq(0), state.error.eq(Error.OPCODE)]
                        m.next = "IDLE"
            with m.State("TABLES"):
                m.d.comb += [
                    reader.i.valid.eq(1),
                    reader.i.p.first.eq(self.instruction.table_base[shift:]),
                    reader.i.p.words.eq(Mux(self.instruction.residual, 2048, 1024) >> shift),
                ]
                with m.If(reader.i.ready):
                    m.next = "FILL_TABLES"
            with m.State("FILL_TABLES"):
                m.d.comb += [
                    reader.o.ready.eq(units[:unit_bits].all() if unit_bits else 1),
                    self.table_enable.eq(reader.o.valid),
                ]
                with m.If(reader.o.valid):
                    m.d.sync += units.eq(units + 1)
                    with m.If(units == Mux(self.instruction.residual, 511, 255)):
                        m.next = "COMPUTE"
            with m.State("COMPUTE"):
                m.d.comb += self.compute.eq(1)
                m.next = "WORK"
            with m.State("WORK"):
                with m.If(~self.working):
                    m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += self.flush.eq(1)
                with m.If(~self.storing):
                    m.next = "PROFILE"
            with m.State("PROFILE"):
                m.d.comb += self.profile.valid.eq(1)
                with m.If(self.profile.ready):
                    m.d.sync += [
                        profile.eq(profile + 4),
                        state.index.eq(state.index + 1),
                        program.eq(program + INSTRUCTION_BYTES),
                    ]
                    with m.If(state.index + 1 == self.breakpoint):
                        m.d.sync += [state.busy.eq(0), state.paused.eq(1)]
                        m.next = "IDLE"
                    with m.Else():
                        m.next = "FETCH"
        return m
