# SPDX-License-Identifier: BSD-2-Clause
"""The accelerator: all blocks, joined."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..isa import Boot
from ..primitives.chain_mux import ChainMux
from .array import MacArray
from .control import ControlRegisters
from .credit_queue import CreditQueue
from .drain import Drain
from .fetch import Fetch
from .interfaces import SETUP_LAYOUT, ControlSignature, ExternalSignature
from .loader import RingLoader
from .ram import RowRam
from .requantize import Requantizer, output_layout
from .scratchpad import Scratchpad
from .sequencer import Sequencer
from .store import Fill, Store
from .weights import WeightSelect

#: Results of a free-running requantizer that wait to be stored.
RESULTS_DEPTH = 16


class Accelerator(wiring.Component):
    """Runs programs of ``celosia_hw.isa`` as docs/architecture.md defines.

    ``control`` is for a host or the front end of its link, ``external`` for a memory of weights
    that do not fit on chip (tie ``units.valid`` low without one). ``boot`` is shown in STATUS;
    ``busy`` and ``failed`` show the state of a run as STATUS does.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__(
            {
                "control": In(ControlSignature()),
                "external": Out(ExternalSignature()),
                "boot": In(Boot),
                "busy": Out(1),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config

        m.submodules.control = control = ControlRegisters(config)
        core = Module()
        m.submodules.core = ResetInserter(control.reset)(core)
        core.submodules.sequencer = sequencer = Sequencer(config)
        core.submodules.scratchpad = scratchpad = Scratchpad(config, readers=5)
        core.submodules.fetch = fetch = Fetch(config)
        core.submodules.weights = weights = WeightSelect(config)
        core.submodules.array = array = MacArray(config)
        core.submodules.drain = drain = Drain(config)
        core.submodules.requantizer = requantizer = Requantizer(config)
        core.submodules.store = store = Store(config)
        core.submodules.fill = fill = Fill(config)
        core.submodules.weight_ram = weight_ram = RowRam(
            depth=config.weight_depth,
            chunks=config.weight_chunks,
            output_register=config.free_running,
        )
        core.submodules.parameter_ram = parameter_ram = RowRam(
            depth=config.parameter_depth,
            chunks=config.parameter_chunks,
            output_register=config.free_running,
        )
        # They are stopped, not reset: the external memory may owe units.
        m.submodules.weight_loader = weight_loader = RingLoader(
            config,
            depth=config.weight_depth,
            chunks=config.weight_chunks,
            free_limit=1,
            external=True,
        )
        m.submodules.parameter_loader = parameter_loader = RingLoader(
            config,
            depth=config.parameter_depth,
            chunks=config.parameter_chunks,
            free_limit=drain.free_limit,
            external=False,
        )

        # Host and sequencer.
        connect(m, flipped(self.control), control.port)
        connect(m, flipped(self.external), weight_loader.external)
        m.d.comb += [
            control.boot.eq(self.boot),
            control.state.eq(sequencer.state),
            control.cycles.eq(sequencer.cycles),
            self.busy.eq(sequencer.state.busy),
            self.failed.eq(control.failed),
            sequencer.start.eq(control.start),
            sequencer.resume.eq(control.resume),
            sequencer.address.eq(control.address),
            sequencer.breakpoint.eq(control.breakpoint),
            weight_loader.stop.eq(control.reset),
            parameter_loader.stop.eq(control.reset),
            weight_loader.host_row.eq(control.weight_row),
            weight_loader.host_set.eq(control.row_set),
            parameter_loader.host_row.eq(control.parameter_row),
            parameter_loader.host_set.eq(control.row_set),
        ]
        connect(m, control.weights, weight_loader.host)
        connect(m, control.parameters, parameter_loader.host)
        written = control.weights.payload
        for loader in (weight_loader, parameter_loader):
            m.d.comb += loader.data.eq(Mux(loader.idle, written, loader.unit))
        if config.word_bytes == 4:
            # A unit is a word as it is read, the same for both.
            either = Signal(32)
            m.d.comb += either.eq(Mux(sequencer.state.busy, weight_loader.read.data, written))
            m.d.comb += [weight_loader.data.eq(either), parameter_loader.data.eq(either)]

        # Readers of the scratchpad, the most urgent first.
        readers = (
            drain.residual,
            sequencer.read,
            parameter_loader.read,
            weight_loader.read,
            control.read,
        )
        for index, reader in enumerate(readers):
            connect(m, reader, scratchpad.reads[index])
        connect(m, fetch.memory, scratchpad.fetch)

        # Writers: never two at once. Whose turn it is does not depend on what they ask for, so that
        # the slow ones do not delay the others.
        writers = (store.o, fill.o, sequencer.profile, control.write)
        turns = (fill.busy, sequencer.profile.valid, ~sequencer.state.busy)
        payload = scratchpad.write.payload.as_value()[1:]  # but for its urgency
        m.submodules.writer = writer_mux = ChainMux(len(payload), len(writers))
        m.d.comb += payload.eq(writer_mux.o)
        for index, writer in enumerate(writers):
            m.d.comb += getattr(writer_mux, f"i{index}").eq(writer.payload.as_value()[1:])
            m.d.comb += writer.ready.eq(scratchpad.write.ready)
        m.d.comb += [
            scratchpad.write.valid.eq(Cat(writer.valid for writer in writers).any()),
            # What is not there is not urgent.
            scratchpad.write.p.urgent.eq(Cat(writer.p.urgent for writer in writers).any()),
        ]
        for index, turn in enumerate(turns, start=1):
            with m.If(turn):
                m.d.comb += writer_mux.select.eq(index)

        # Layers.
        instruction = sequencer.instruction
        setup = SETUP_LAYOUT(instruction.as_value())
        m.d.comb += [
            weight_loader.start.eq(sequencer.setup),
            weight_loader.list.eq(setup.weight_list),
            parameter_loader.start.eq(sequencer.setup),
            parameter_loader.list.eq(setup.parameter_list),
        ]
        m.d.comb += [
            weight_loader.source.eq(setup.weight_source),
            parameter_loader.source.eq(setup.parameter_source),
            weight_loader.freed.eq(weights.freed),
            weights.restart.eq(sequencer.setup),
            weights.arrived.eq(weight_loader.arrived),
            parameter_loader.freed.eq(drain.freed),
            drain.level.eq(parameter_loader.level),
            weight_ram.row.eq(weights.row),
            weight_ram.enable.eq(weights.enable),
            parameter_ram.row.eq(drain.row),
            parameter_ram.enable.eq(drain.enable),
            array.weights.eq(weight_ram.data),
            array.opcode.eq(instruction.opcode),
            requantizer.parameters.eq(parameter_ram.data),
            requantizer.table_enable.eq(sequencer.table_enable),
            requantizer.table_row.eq(sequencer.table_row),
            requantizer.table_data.eq(sequencer.table_data),
            fill.start.eq(sequencer.fill),
            drain.start_lines.eq(fill.start_lines),
            drain.next_line.eq(fill.next_line),
            fill.line.eq(drain.line),
            fill.last_line.eq(drain.last_line),
            store.flush.eq(sequencer.flush),
        ]
        if config.free_running:
            m.d.comb += [
                weight_ram.advance.eq(weights.advance),
                parameter_ram.advance.eq(requantizer.i.ready),
            ]
        for unit in (fetch, weights, drain):
            m.d.comb += [unit.instruction.eq(instruction), unit.start.eq(sequencer.compute)]
        for unit in (requantizer, fill):
            m.d.comb += unit.instruction.eq(instruction)
        connect(m, weight_loader.ram, weight_ram.write)
        connect(m, parameter_loader.ram, parameter_ram.write)
        connect(m, fetch.o, weights.i)
        connect(m, weights.o, array.i)
        connect(m, array.o, drain.i)
        connect(m, drain.o, requantizer.i)
        if config.free_running:
            # So that a store that waits stops the requantizer a cycle later, not in this one.
            core.submodules.results = results = CreditQueue(
                output_layout(config), depth=RESULTS_DEPTH, registered=True
            )
            m.d.comb += [
                requantizer.o.ready.eq(results.room),
                results.push.eq(requantizer.o.valid & results.room),
                results.admit.eq(results.push),
                results.i.eq(requantizer.o.payload),
            ]
            waiting = ~results.empty
            connect(m, results.o, store.i)
        else:
            waiting = Const(0, 1)
            connect(m, requantizer.o, store.i)
        m.d.comb += [
            sequencer.working.eq(drain.busy | requantizer.busy | waiting | fill.busy),
            sequencer.storing.eq(store.busy),
        ]
        return m
