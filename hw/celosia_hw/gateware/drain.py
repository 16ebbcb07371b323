# SPDX-License-Identifier: BSD-2-Clause
"""Takes results from the array and hands them to the requantizer, a few at a time."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..isa import Opcode
from .counter import count_up
from .interfaces import COMPUTE_LAYOUT, ReadSignature
from .loop_nest import LoopNest


def beat_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Up to ``requantize_lanes`` results on their way through the requantizer. ``fresh`` is high if
    they do not begin in the word of the scratchpad in which those before ended."""
    return data.StructLayout(
        {
            "address": config.address_bits,
            "count": range(config.requantize_lanes + 1),
            "fresh": 1,
        }
    )


def operands_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What is requantized in a beat: accumulators, and the residuals of second passes."""
    lanes = config.requantize_lanes
    return data.StructLayout(
        {
            "values": data.ArrayLayout(signed(config.accumulator_bits), lanes),
            "residual": data.ArrayLayout(8, lanes),
        }
    )


def operands_latency(config: AcceleratorConfig) -> int:
    """Cycles from a beat to its operands. For a fast clock what decides on beats is kept from the
    many registers of their operands."""
    return 1 if config.free_running else 0


class Drain(wiring.Component):
    """Holds one emission and sends it in beats of ``requantize_lanes`` values.

    Knows where each emission is stored, which row of the parameter memory each beat needs (on
    ``row`` with ``enable``; a ring's ``level`` and ``freed`` are counted in rows), and reads the
    residual word of an emission while the one before is being sent. A beat leaves in each
    cycle in which ``o.ready`` is high, in every second one if results pass the requantizer twice
    and the configuration is not ``free_running``; its ``operands`` are there ``operands_latency``
    cycles later.
    ``busy`` from ``start`` until the last beat has left; the first emission must not come sooner
    than two cycles after ``start``.

    FILL has its loops here as well: behind ``start_lines``, ``line`` is the address of the first
    line, two cycles later, and of the next one in the cycle after each ``next_line``; ``last_line``
    comes with the address of the last line.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.result_layout = data.ArrayLayout(signed(config.accumulator_bits), config.group_bytes)
        depth = config.parameter_depth
        self.free_limit = config.group_bytes // config.requantize_lanes
        super().__init__(
            {
                "instruction": In(COMPUTE_LAYOUT),
                "start": In(1),
                "busy": Out(1),
                "i": In(stream.Signature(self.result_layout)),
                "o": Out(stream.Signature(beat_layout(config))),
                "operands": Out(operands_layout(config)),
                "row": Out(range(depth)),
                "enable": Out(1),
                "level": In(range(depth + 1)),
                "freed": Out(range(self.free_limit + 1)),
                "residual": Out(ReadSignature(config)),
                "start_lines": In(1),
                "line": Out(config.address_bits),
                "next_line": In(1),
                "last_line": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        instruction = self.instruction
        lanes = config.requantize_lanes
        depth = config.parameter_depth
        # The instruction stands long before the first result.
        is_conv = Signal(reset_less=True)
        is_fill = Signal(reset_less=True)
        m.d.sync += is_conv.eq(instruction.opcode == Opcode.CONV)
        m.d.sync += is_fill.eq(instruction.opcode == Opcode.FILL)
        array_sizes = config.output_channels, config.input_channels
        whole = Mux(is_conv, *array_sizes)

        # Where the next emission goes. The loops know their first address behind ``begin``.
        load = Signal()
        begin = Signal()
        m.d.sync += begin.eq(self.start)
        m.submodules.loops = loops = LoopNest(
            [12, 12, 12],
            address_bits=config.address_bits,
            registered_last=config.free_running,
        )
        m.d.comb += [
            loops.start.eq(self.start | self.start_lines),
            loops.base.eq(instruction.out_base),
            loops.advance.eq(load | self.next_line),
            # FILL has no steps within a line.
            loops.count0.eq(Mux(is_fill, 0, instruction.positions - instruction.skip)),
            loops.step0.eq(instruction.out_position),
            loops.count1.eq(instruction.lines),
            loops.step1.eq(instruction.out_line),
            loops.count2.eq(instruction.groups),
            loops.step2.eq(instruction.out_group),
        ]
        group_end = loops.last[:2].all()
        final = loops.last.all()
        m.d.comb += [self.line.eq(loops.address), self.last_line.eq(loops.last[1])]

        # The residual word of the next emission.
        wanted = Signal()
        arrived = Signal()
        next_residual = Signal(8 * config.word_bytes, reset_less=True)
        shift = config.word_bytes.bit_length() - 1
        residual_address = Signal(config.address_bits)
        m.d.comb += [
            residual_address.eq(loops.address + instruction.residual_delta),
            self.residual.request.payload.eq(residual_address[shift:]),
            self.residual.request.valid.eq(wanted),
        ]
        with m.If(wanted & self.residual.request.ready):
            m.d.sync += wanted.eq(0)
        with m.If(self.residual.valid):
            m.d.sync += [next_residual.eq(self.residual.data), arrived.eq(1)]
        with m.If(load & instruction.residual):
            m.d.sync += [arrived.eq(0), wanted.eq(~final)]

        # Emissions without a residual need no word, which for a fast clock ``arrived`` tells too.
        provided = arrived if config.free_running else arrived | ~instruction.residual

        # The emission at hand.
        values = Signal(self.result_layout, reset_less=True)
        residual = Signal(8 * config.word_bytes, reset_less=True)
        full = Signal()
        left = Signal(range(config.group_bytes + 1), reset_less=True)  # values to be sent
        address = Signal(config.address_bits, reset_less=True)
        fresh = Signal(reset_less=True)
        base_row = Signal(range(depth), reset_less=True)
        row = Signal(range(depth), reset_less=True)
        begins_group = Signal(reset_less=True)
        ends_group = Signal(reset_less=True)
        ends_all = Signal(reset_less=True)
        sends = Signal()
        # Alternate cycles belong to second passes. A free-running requantizer sees to it itself.
        second = Signal()
        if not config.free_running:
            with m.If(self.o.ready):
                m.d.sync += second.eq(~second & instruction.second_pass)

        last_beat = left <= lanes
        if config.free_running:
            # For a fast clock from a register.
            last_beat = Signal(reset_less=True)
            full_group = Mux(is_conv, *(n <= lanes for n in array_sizes))
            with m.If(load):
                m.d.sync += last_beat.eq(Mux(loops.last[2], instruction.tail < lanes, full_group))
            with m.Elif(sends):
                m.d.sync += last_beat.eq(left <= 2 * lanes)
        # A group begins when all of its rows are there, also those that a short group does not
        # use, as its end frees them all. ``level`` shows one cycle later what has been freed.
        there = Signal()
        waits = instruction.parameters_ring & ~there
        if config.free_running:
            waits = Signal()  # for a fast clock from a register

        def at_least(rows: int) -> Value:
            return self.level[rows.bit_length() - 1 :].any()

        conv_rows, other_rows = config.output_channels // lanes, config.input_channels // lanes
        enough = Signal()
        m.d.comb += enough.eq(Mux(is_conv, at_least(conv_rows), at_least(other_rows)))
        with m.If(instruction.parameters_uniform):
            m.d.comb += enough.eq(at_least(1))
        with m.If(self.start | (self.freed != 0)):
            m.d.comb += enough.eq(0)
        if config.free_running:
            m.d.sync += waits.eq(instruction.parameters_ring & ~enough)
        else:
            m.d.sync += there.eq(enough)
        m.d.comb += [
            self.o.valid.eq(full & ~waits & ~second),
            sends.eq(self.o.valid & self.o.ready),
            self.i.ready.eq((~full | (sends & last_beat)) & provided),
            load.eq(self.i.valid & self.i.ready),
            self.o.p.address.eq(address),
            self.o.p.count.eq(Mux(last_beat, left, lanes)),
            self.o.p.fresh.eq(fresh),
            self.row.eq(row),
            self.enable.eq(sends),
        ]
        for lane in range(lanes):
            m.d.comb += [
                self.operands.values[lane].eq(values[lane]),
                self.operands.residual[lane].eq(residual[8 * lane : 8 * lane + 8]),
            ]

        # Only the last group may use less rows than it has, so that each other one ends just before
        # the first row of the next.
        repeats = last_beat & ~ends_group
        reload = Signal()
        m.d.comb += reload.eq(begin | repeats)
        following = count_up(row, reload)
        if depth & (depth - 1):
            following = Mux(row == depth - 1, 0, following)
        with m.If(begin | (sends & ~instruction.parameters_uniform & ~(repeats & begins_group))):
            m.d.sync += row.eq(Mux(reload, base_row, following))
        with m.If(sends):
            m.d.sync += begins_group.eq(last_beat & ends_group)
        with m.If(sends & begins_group):
            m.d.sync += base_row.eq(row)
        rows = Mux(is_conv, conv_rows, other_rows)
        with m.If(sends & last_beat & instruction.parameters_ring):
            with m.If(instruction.parameters_uniform):
                m.d.comb += self.freed.eq(ends_all)
            with m.Elif(ends_group):
                m.d.comb += self.freed.eq(rows)

        with m.If(sends):
            m.d.sync += [full.eq(~last_beat), left.eq(left - lanes)]
            with m.If(last_beat & ends_all):
                m.d.sync += self.busy.eq(0)
        lane_bits = lanes.bit_length() - 1
        with m.If(load):
            m.d.sync += address[:lane_bits].eq(loops.address)
        high = address[lane_bits:]
        # Until the next emission comes this is where the last beat of the one before began; if
        # that may have gone on into another word, the next is taken to begin in a third one.
        within = address[:shift]
        leaves = within > config.word_bytes - lanes if lanes > 1 else Const(0)
        with m.If(load | (sends & ~last_beat)):
            m.d.sync += [
                high.eq(Mux(load, loops.address[lane_bits:], count_up(high, load))),
                fresh.eq(
                    Mux(
                        load,
                        leaves | (loops.address[shift:] != address[shift:]),
                        (within + lanes)[:shift] == 0,
                    )
                ),
            ]
        with m.If(load):
            m.d.sync += [
                full.eq(1),
                left.eq(Mux(loops.last[2], instruction.tail + 1, whole)),
                ends_group.eq(group_end),
                ends_all.eq(final),
            ]

        # Emissions that fill words begin with them.
        fills = {config.output_channels, config.input_channels} == {config.word_bytes}
        begin_byte: Value = residual_address[:shift]
        if config.free_running:
            # It is known long before the word arrives.
            begin_byte = Signal(shift, reset_less=True)
            m.d.sync += begin_byte.eq(residual_address)
        offset = 0 if fills else begin_byte << 3
        loads, shifts, emission = load, sends, self.i.payload
        if config.free_running:
            loads, shifts = Signal(name="loads"), Signal(name="shifts")
            emission = Signal(self.result_layout, name="emission", reset_less=True)
            m.d.sync += [loads.eq(load), shifts.eq(sends), emission.eq(self.i.payload)]
        with m.If(shifts):
            m.d.sync += residual.eq(residual >> 8 * lanes)
            for index in range(config.group_bytes - lanes):
                m.d.sync += values[index].eq(values[index + lanes])
        with m.If(loads):
            m.d.sync += [values.eq(emission), residual.eq(next_residual >> offset)]
        with m.If(self.start):
            m.d.sync += [
                self.busy.eq(1),
                arrived.eq(~instruction.residual if config.free_running else 0),
                base_row.eq(instruction.parameter_base),
                begins_group.eq(1),
            ]
        with m.If(begin):
            m.d.sync += wanted.eq(instruction.residual)
        return m
