# SPDX-License-Identifier: BSD-2-Clause
"""The registers behind the control port, and the host's way to the memories."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..isa import ADDRESS_BITS, IDENT_VALUE, Boot, Control, Error, Register, Space
from ..link.protocol import PROTOCOL_VERSION
from .counter import count_up
from .interfaces import ControlSignature, ReadSignature, write_layout
from .sequencer import STATE_LAYOUT


class ControlRegisters(wiring.Component):
    """Registers as ``isa.Register`` lists them.

    Of an address, bits that no memory needs read as zero. An access takes one cycle, a write to
    the scratchpad two, a read from it a few more. ``reset`` is high for a cycle to stop a run: on
    request, or when the watchdog finds that it takes too long (the state at that moment stays
    readable). Memory accesses while a run is busy, and those of weights and parameters while it is
    paused, are refused: they change nothing, read as zero, and leave Error.ACCESS in STATUS.
    ``failed`` is high while STATUS shows an error.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__(
            {
                "port": In(ControlSignature()),
                "boot": In(Boot),
                "state": In(STATE_LAYOUT),
                "cycles": In(32),
                "start": Out(1),
                "resume": Out(1),
                "reset": Out(1),
                "address": Out(ADDRESS_BITS),
                "breakpoint": Out(16),
                "read": Out(ReadSignature(config)),
                "write": Out(stream.Signature(write_layout(config))),
                "weights": Out(stream.Signature(32)),
                "parameters": Out(stream.Signature(32)),
                "row_set": Out(1),
                "weight_row": Out(range(config.weight_depth)),
                "parameter_row": Out(range(config.parameter_depth)),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        port = self.port
        shift = config.word_bytes.bit_length() - 1
        units = config.word_bytes // 4

        # As wide as the largest of what they address.
        sizes = (config.scratch_bytes, config.weight_bytes, config.parameter_bytes)
        address = Signal(range(max(sizes)))
        program = Signal(config.address_bits)
        space = Signal(4)
        watchdog = Signal(32)
        error = Signal(Error)
        # The scratchpad is asked a cycle after an access begins, so that the link does not delay
        # others; a read is ``pending`` until it is answered.
        asks = Signal()
        stores = Signal()
        pending = Signal()
        advances = Signal()
        status = Signal(32)
        unit_read: Value = self.read.data
        if units > 1:
            unit_read = self.read.data.word_select(address[2:shift], 32)
        answered = self.read.valid
        if config.free_running:
            # For a fast clock a cycle later.
            unit_before, unit_read = unit_read, Signal(32, name="unit_read", reset_less=True)
            answered = Signal(name="answered")
            m.d.sync += [unit_read.eq(unit_before), answered.eq(self.read.valid)]

        m.d.comb += [
            status[0].eq(self.state.busy),
            status[1].eq(self.state.done),
            status[2].eq(self.state.paused),
            status[4:8].eq(Mux(self.state.error != 0, self.state.error, error)),
            status[8:10].eq(self.boot),
            status[16:32].eq(self.state.index),
            self.failed.eq(status[4:8] != 0),
            self.write.p.word.eq(address[shift:]),
            self.write.p.data.eq(port.write_data.replicate(units)),
            self.write.p.enable.eq((0xF << (address[2:shift] << 2)) if units > 1 else 0xF),
            self.read.request.payload.eq(address[shift:]),
            self.read.request.valid.eq(asks),
            self.write.valid.eq(stores),
            self.write.p.urgent.eq(stores),
            self.weights.payload.eq(port.write_data),
            self.parameters.payload.eq(port.write_data),
            self.weight_row.eq(address[config.weight_stride.bit_length() - 1 :]),
            self.parameter_row.eq(address[config.parameter_stride.bit_length() - 1 :]),
            self.address.eq(program),
        ]
        # The row takes effect in the cycle after the address was written.
        m.d.sync += self.row_set.eq(0)

        def command(bit: Control) -> Value:
            return (
                port.valid & port.write & (port.address == Register.CONTROL) & port.write_data[bit]
            )

        # Zero is met in the first cycle, which does not count, and not again for 2^32 cycles.
        first = Signal()
        m.d.sync += first.eq(self.start)
        # Found in one cycle, told in the next: all that is reset is far from the comparison.
        reached = Signal()
        m.d.sync += reached.eq(self.state.busy & ~first & (self.cycles == watchdog))
        expired = reached & self.state.busy
        m.d.comb += [
            self.start.eq(command(Control.START) & ~self.state.busy),
            self.resume.eq(command(Control.CONTINUE) & ~self.state.busy),
            self.reset.eq(command(Control.RESET) | expired),
        ]
        with m.If(asks & self.read.request.ready):
            m.d.sync += asks.eq(0)
        with m.If(stores):
            m.d.sync += stores.eq(0)
        with m.If(answered):
            m.d.sync += pending.eq(0)
        with m.If(self.start):
            m.d.sync += error.eq(Error.NONE)
        with m.If((command(Control.START) | command(Control.CONTINUE)) & self.state.busy):
            m.d.sync += error.eq(Error.ACCESS)
        with m.If(expired):
            m.d.sync += error.eq(Error.WATCHDOG)
        with m.If(command(Control.RESET)):
            m.d.sync += [error.eq(Error.NONE), pending.eq(0), asks.eq(0), stores.eq(0)]
            if config.free_running:
                m.d.sync += answered.eq(0)

        # What can be read.
        with m.Switch(port.address):
            with m.Case(Register.IDENT):
                m.d.comb += port.read_data.eq(IDENT_VALUE)
            with m.Case(Register.CONFIG):
                m.d.comb += port.read_data.eq(config.fingerprint)
            with m.Case(Register.LINK):
                m.d.comb += port.read_data.eq(PROTOCOL_VERSION)
            with m.Case(Register.SCRATCH_BYTES):
                m.d.comb += port.read_data.eq(config.scratch_bytes)
            with m.Case(Register.WEIGHT_BYTES):
                m.d.comb += port.read_data.eq(config.weight_bytes)
            with m.Case(Register.PARAMETER_BYTES):
                m.d.comb += port.read_data.eq(config.parameter_bytes)
            with m.Case(Register.STATUS):
                m.d.comb += port.read_data.eq(status)
            with m.Case(Register.CYCLES):
                m.d.comb += port.read_data.eq(self.cycles)
            with m.Case(Register.DATA):
                with m.If(~self.state.busy & (space == Space.SCRATCH)):
                    m.d.comb += port.read_data.eq(unit_read)

        with m.If(port.valid):
            m.d.comb += port.ready.eq(1)
            with m.Switch(port.address):
                with m.Case(Register.START):
                    with m.If(port.write):
                        m.d.sync += program.eq(port.write_data)
                with m.Case(Register.WATCHDOG):
                    with m.If(port.write):
                        m.d.sync += watchdog.eq(port.write_data)
                with m.Case(Register.BREAKPOINT):
                    with m.If(port.write):
                        m.d.sync += self.breakpoint.eq(port.write_data)
                with m.Case(Register.ADDRESS):
                    with m.If(port.write):
                        m.d.sync += [space.eq(port.write_data[28:]), self.row_set.eq(1)]
                with m.Case(Register.DATA):
                    # Rings go on filling while a run is paused.
                    with m.If(self.state.busy | (self.state.paused & (space != Space.SCRATCH))):
                        m.d.sync += error.eq(Error.ACCESS)
                    with m.Elif(port.write):
                        with m.Switch(space):
                            with m.Case(Space.SCRATCH):
                                m.d.comb += [port.ready.eq(stores), advances.eq(stores)]
                                with m.If(~stores):
                                    m.d.sync += stores.eq(1)
                            with m.Case(Space.WEIGHTS):
                                m.d.comb += [
                                    self.weights.valid.eq(~self.row_set),
                                    port.ready.eq(self.weights.ready & ~self.row_set),
                                ]
                            with m.Case(Space.PARAMETERS):
                                m.d.comb += [
                                    self.parameters.valid.eq(~self.row_set),
                                    port.ready.eq(self.parameters.ready & ~self.row_set),
                                ]
                    with m.Elif(space == Space.SCRATCH):
                        m.d.comb += [port.ready.eq(answered), advances.eq(answered)]
                        with m.If(~pending):
                            m.d.sync += [asks.eq(1), pending.eq(1)]
        # Only a word of four bytes is accessed at once.
        sets = Signal()
        m.d.comb += sets.eq(port.valid & port.write & (port.address == Register.ADDRESS))
        with m.If(sets):
            m.d.sync += address[:2].eq(port.write_data)
        unit = address[2:]
        with m.If(sets | advances):
            m.d.sync += unit.eq(Mux(sets, port.write_data[2:], count_up(unit, sets)))
        return m
