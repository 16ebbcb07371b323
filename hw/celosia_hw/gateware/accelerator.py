# SPDX-License-Identifier: BSD-2-Clause
"""The accelerator: all blocks, joined."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..isa import Boot
from ..primitives.chain_mux import ChainMux
from .array import MacArray
from .control import ControlRegisters
from .drain import Drain
from .fetch import Fetch
from .interfaces import (
    SETUP_LAYOUT,
    ControlSignature,
    ExternalSignature,
    has_pipelined_scratchpad,
)
from .loader import RingLoader
from .pipelined_scratchpad import PipelinedScratchpad
from .ram import RowRam
from .requantize import Requantizer, latency
from .scratchpad import Scratchpad
from .sequencer import Sequencer
from .store import Fill, Store
from .weights import FREE_RUNNING_LATENCY, WeightSelect


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
        sequencer = Sequencer(config)
        reset = control.reset
        if config.free_running:
            # For a fast clock most of the chip is reset a cycle later. The sequencer is not: it may
            # be started in the cycle behind a reset, and asks others for something a cycle later.
            reset = Signal()
            m.d.sync += reset.eq(control.reset)
            m.submodules.sequencer = ResetInserter(control.reset)(sequencer)
        else:
            core.submodules.sequencer = sequencer
        m.submodules.core = ResetInserter(reset)(core)
        kind = PipelinedScratchpad if has_pipelined_scratchpad(config) else Scratchpad
        core.submodules.scratchpad = scratchpad = kind(config, readers=5)
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
            latency=FREE_RUNNING_LATENCY if config.free_running else 1,
        )
        core.submodules.parameter_ram = parameter_ram = RowRam(
            depth=config.parameter_depth,
            chunks=config.parameter_chunks,
            latency=latency(config).parameters,
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
            weight_loader.stop.eq(reset),
            parameter_loader.stop.eq(reset),
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
            # A unit is a word as it is read, the same for both. They go on while a run is paused,
            # when the host's writes of rows are refused.
            either = Signal(32)
            idle = weight_loader.idle & parameter_loader.idle
            m.d.comb += either.eq(Mux(idle, written, weight_loader.read.data))
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
            requantizer.operands.eq(drain.operands),
            weight_ram.row.eq(weights.row),
        ]
        # What never stops needs no enables.
        if config.free_running:
            m.d.comb += weights.room.eq(array.room)
        else:
            m.d.comb += weight_ram.enable.eq(weights.enable)
        m.d.comb += parameter_ram.row.eq(drain.row)
        if not config.free_running:
            m.d.comb += parameter_ram.enable.eq(drain.enable)
        m.d.comb += [
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
        for unit in (fetch, weights, drain):
            early = unit is fetch and has_pipelined_scratchpad(config)
            start = sequencer.early_fetch if early else sequencer.compute
            m.d.comb += [unit.instruction.eq(instruction), unit.start.eq(start)]
        for unit in (requantizer, fill):
            m.d.comb += unit.instruction.eq(instruction)
        connect(m, weight_loader.ram, weight_ram.write)
        connect(m, parameter_loader.ram, parameter_ram.write)
        connect(m, fetch.o, weights.i)
        connect(m, weights.o, array.i)
        connect(m, array.o, drain.i)
        connect(m, drain.o, requantizer.i)
        connect(m, requantizer.o, store.i)
        m.d.comb += [
            sequencer.working.eq(drain.busy | requantizer.busy | fill.busy),
            sequencer.storing.eq(store.busy),
        ]
        return m
