# SPDX-License-Identifier: BSD-2-Clause
"""Runs a program: fetches instructions, starts the units, waits for them, takes the time."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..isa import (
    ADDRESS_BITS,
    COMPUTE,
    INPUT_LOOPS,
    INSTRUCTION_BYTES,
    INSTRUCTION_WORDS,
    Error,
    Opcode,
)
from .counter import count_up
from .fetch import REQUEST_LATENCY
from .interfaces import (
    COMPUTE_LAYOUT,
    SETUP_LAYOUT,
    ReadSignature,
    has_pipelined_scratchpad,
    write_layout,
)
from .pipelined_scratchpad import BANK_LATENCY
from .readers import UnitReader

#: Cycles from ``early_fetch`` to the first fetch that a bank may be granted to: a request goes
#: through a buffer.
FETCH_BEGIN = REQUEST_LATENCY + 1
#: What a run is doing, as the control port shows it.
STATE_LAYOUT = data.StructLayout({"busy": 1, "done": 1, "paused": 1, "error": 4, "index": 16})


class Sequencer(wiring.Component):
    """Executes instructions from ``address`` on when ``start`` is high, until END, an error, or
    ``breakpoint`` instructions (0: no limit); ``resume`` goes on from there.

    ``compute`` and ``fill`` start the units that work on ``instruction``; ``setup`` starts the ring
    loaders. ``working`` says that units or stores are not finished; ``flush`` asks for the
    last words. ``profile`` writes ``cycles`` when an instruction is complete. ``cycles`` and the
    index in ``state`` begin with ``start``; a reset leaves them. While tables are read the field
    ``table_base`` of ``instruction`` counts. Unless others read the scratchpad,
    FILL starts ``64 / word_bytes + read_latency + 1`` cycles after ``profile`` of the instruction
    before; CONV, CHAIN and MAX one cycle later, or when their tables' entries, one a cycle, and a
    few more cycles have passed. With a pipelined scratchpad an instruction is already asked for
    when ``working`` falls, two or more cycles before ``profile``, and CONV, CHAIN and MAX without
    tables start as early as FILL; ``instruction`` changes then. ``early_fetch`` starts the unit
    that reads activations some cycles before ``compute``, as soon as it can.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        ports = {
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
        if has_pipelined_scratchpad(config):
            ports["early_fetch"] = Out(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.config.word_bytes
        shift = width.bit_length() - 1
        words = INSTRUCTION_BYTES // width
        address_bits = self.config.address_bits
        m.submodules.reader = reader = UnitReader(self.config)

        bits = Signal(32 * INSTRUCTION_WORDS, reset_less=True)
        setup = data.View(SETUP_LAYOUT, bits)
        # Word address; an instruction begins at a multiple of its size.
        program = Signal(address_bits - shift, reset_less=True)
        asking = Signal()  # for the rest of an instruction
        units = Signal(9)  # words of an instruction, or entries of tables, that have arrived
        profile = Signal(address_bits - 2, reset_less=True)  # unit address
        state = self.state
        # These outlast a reset: they tell what a run that was ended stood at.
        index = Signal(16, reset_less=True)
        cycles = Signal(32, reset_less=True)
        m.d.comb += [
            state.index.eq(index),
            self.cycles.eq(cycles),
            self.instruction.as_value().eq(bits),
            self.profile.p.urgent.eq(self.profile.valid),
            self.profile.p.word.eq(profile[shift - 2 :]),
            self.profile.p.data.eq(self.cycles.replicate(width // 4)),
        ]
        for unit in range(width // 4):
            m.d.comb += self.profile.p.enable[4 * unit : 4 * unit + 4].eq(
                Mux(profile[: shift - 2] == unit, 0xF, 0) if width > 4 else 0xF
            )
        begin = Signal()
        # Early in the cycle, as all writers wait to hear whose turn it is.
        profiling = Signal()
        flushing = Signal()
        m.d.comb += [self.profile.valid.eq(profiling), self.flush.eq(flushing)]
        m.d.sync += profiling.eq(0)
        with m.If(state.busy):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(begin):
            m.d.sync += [cycles.eq(0), index.eq(0)]
        with m.If(profiling):
            m.d.sync += profile.eq(count_up(profile, self.setup))
        with m.If(self.setup):
            m.d.sync += profile.eq(setup.profile_base[2:])

        # While tables are read the field with their address counts.
        lsb = 32 * COMPUTE["table_base"].word + COMPUTE["table_base"].lsb
        table = bits[lsb + shift : lsb + address_bits]
        # Where reads take long, an instruction is asked for while the stores of the one before end.
        early = has_pipelined_scratchpad(self.config)
        receiving = Signal()
        if early:
            asked = Signal()
            stops = Signal()  # behind this instruction
            # Known before an instruction is complete.
            is_layer = Signal(reset_less=True)
            layers = (Opcode.CONV, Opcode.CHAIN, Opcode.MAX)
            m.d.sync += [
                stops.eq(index + 1 == self.breakpoint),
                is_layer.eq(
                    self.instruction.opcode.matches(*layers) & ~self.instruction.second_pass
                ),
            ]
        filling = Signal()
        fetched = Signal()  # an instruction is complete
        filled = Signal()  # all entries of the tables have arrived
        near_end = units[(reader.ahead - 1).bit_length() :].all()
        m.d.comb += [
            reader.address.eq(Cat(Const(0, shift - 2), table)),
            # Not more than there are.
            reader.ask.eq(filling & (~near_end | reader.idle)),
            reader.take.eq(1),
            reader.drop.eq(~filling),
            reader.read.request.ready.eq(self.read.request.ready),
            reader.read.valid.eq(self.read.valid & filling),
            reader.read.data.eq(self.read.data),
            self.read.request.valid.eq(asking | reader.read.request.valid),
            self.read.request.payload.eq(Mux(receiving, program, reader.read.request.payload)),
            self.table_enable.eq(filling & reader.valid),
            self.table_row.eq(units),
            self.table_data.eq(reader.unit),
            fetched.eq(receiving & self.read.valid & (units[: words.bit_length() - 1].all())),
            filled.eq(self.table_enable & units.all()),
        ]
        with m.If(asking & self.read.request.ready):
            m.d.sync += program.eq(count_up(program, begin))
            with m.If(program[: words.bit_length() - 1].all()):
                m.d.sync += asking.eq(0)
        with m.If(begin):
            m.d.sync += program.eq(self.address[shift:])
        # The last word of an instruction holds the address of tables.
        last_word = Signal()
        with m.If(reader.granted):
            m.d.sync += table.eq(count_up(table, last_word))
        for number in range(words):
            word = bits.word_select(number, 8 * width)
            enable = Signal(name=f"word{number}")
            m.d.comb += enable.eq(
                receiving & self.read.valid & (units[: words.bit_length() - 1] == number)
            )
            with m.If(enable):
                m.d.sync += word.eq(self.read.data)
        m.d.comb += last_word.eq(enable)
        with m.If((receiving & self.read.valid) | self.table_enable):
            m.d.sync += units.eq(units + 1)
        with m.If(~receiving & ~filling):
            m.d.sync += units.eq(0)
        if early:
            with m.If(fetched):
                m.d.sync += receiving.eq(0)
        begins_asking = [asking.eq(1), receiving.eq(1)] if early else [asking.eq(1)]

        # Fetching may begin as soon as its fields are there.
        if early:
            fetches = Signal()
            fetch_fields = [COMPUTE[name] for loop in INPUT_LOOPS for name in loop]
            enough = max(field.word for field in fetch_fields) // (width // 4) + 1
            # A fetch goes before a word read: one that waits when the first fetch comes would be
            # late, and ``compute`` behind it, while the taps come. So it begins when the words that
            # are left, which follow each other in each cycle, all have their grant by then.
            behind = BANK_LATENCY + FETCH_BEGIN - 1
            enough = max(enough, words - 1 - behind)
            comes = receiving & self.read.valid & (units[: words.bit_length() - 1] == enough)
            with m.If(self.early_fetch):
                m.d.sync += fetches.eq(1)
            with m.If(self.compute):
                m.d.sync += fetches.eq(0)

        with m.FSM() as fsm:
            if early:
                m.d.comb += self.early_fetch.eq(self.compute & ~fetches)
            else:
                m.d.comb += receiving.eq(fsm.ongoing("RECEIVE"))
            m.d.comb += filling.eq(fsm.ongoing("TABLES"))
            with m.State("IDLE"):
                m.d.comb += begin.eq(self.start)
                with m.If(self.start):
                    m.d.sync += [state.busy.eq(1), state.done.eq(0), state.paused.eq(0)]
                    m.d.sync += [state.error.eq(Error.NONE), *begins_asking]
                    m.next = "RECEIVE"
                with m.Elif(self.resume & state.paused):
                    m.d.sync += [state.busy.eq(1), state.paused.eq(0), *begins_asking]
                    m.next = "RECEIVE"
            with m.State("RECEIVE"):
                with m.If(fetched | ~receiving if early else fetched):
                    m.next = "DECODE"
                    if early:
                        with m.If(is_layer):
                            m.next = "COMPUTE"
                if early:
                    with m.If(comes & is_layer):
                        m.d.comb += self.early_fetch.eq(1)
            with m.State("DECODE"):
                with m.Switch(self.instruction.opcode):
                    with m.Case(Opcode.END):
                        m.d.sync += [state.busy.eq(0), state.done.eq(1)]
                        m.next = "IDLE"
                    with m.Case(Opcode.SETUP):
                        m.d.comb += self.setup.eq(1)
                        m.d.sync += profiling.eq(1)
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
                with m.If(filled):
                    m.next = "COMPUTE"
            with m.State("COMPUTE"):
                m.d.comb += self.compute.eq(1)
                m.next = "WORK"
            with m.State("WORK"):
                with m.If(~self.working):
                    m.d.sync += flushing.eq(1)
                    m.next = "FLUSH"
                    if early:
                        with m.If(~stops):
                            m.d.sync += [asked.eq(1), *begins_asking]
            with m.State("FLUSH"):
                with m.If(~self.storing):
                    m.d.sync += [flushing.eq(0), profiling.eq(1)]
                    m.next = "PROFILE"
            with m.State("PROFILE"):
                m.d.sync += index.eq(index + 1)
                pauses = index + 1 == self.breakpoint
                if early:
                    pauses = ~asked & pauses
                    m.d.sync += asked.eq(0)
                with m.If(pauses):
                    m.d.sync += [state.busy.eq(0), state.paused.eq(1)]
                    m.next = "IDLE"
                with m.Else():
                    if early:
                        with m.If(~asked):
                            m.d.sync += begins_asking
                    else:
                        m.d.sync += begins_asking
                    m.next = "RECEIVE"
        return m
