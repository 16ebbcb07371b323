# SPDX-License-Identifier: BSD-2-Clause
"""Turns accumulators into int8 outputs with a single rounding, and adds residuals."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import SHIFT_BITS, TIE_BITS, AcceleratorConfig
from ..primitives.block_ram import BlockRam
from . import scale
from .compare import less
from .credit_queue import CreditQueue
from .delay import Delay
from .drain import beat_layout, operands_latency, operands_layout
from .interfaces import COMPUTE_LAYOUT
from .ram import PIPELINED_LATENCY

#: Bits of a result before its last rounding, half a step included, zero point excluded.
_RESULT_BITS = 12
#: Bits of a sum of two table values.
_TABLE_SUM_BITS = 33
#: Results of a free-running requantizer that are on their way or wait: more than cycles of the way
#: of a beat that passes once.
QUEUE_DEPTH = 32


@dataclass(frozen=True)
class Latency:
    """Enabled cycles of a lane: from a beat to its ``parameters`` and to its ``product``, from a
    product, or a sum of table values, to the int8 ``result``, from that to the ``table_sum``.

    Second passes use the cycles between first passes: result and table sum are odd in all.
    """

    parameters: int
    result: int
    table_sum: int

    @property
    def product(self) -> int:
        return self.parameters + scale.LATENCY

    @property
    def first_pass(self) -> int:
        """Cycles from a beat to its result."""
        return self.product + self.result

    @property
    def second_pass(self) -> int:
        """Cycles from a beat to its result if that passes twice."""
        return self.first_pass + self.table_sum + self.result


def latency(config: AcceleratorConfig) -> Latency:
    """A fast clock needs registers around memories, and in front of the shifter and within."""
    if config.free_running:
        return Latency(PIPELINED_LATENCY + 1, 5, 4)
    return Latency(1, 3, 2)


def parameter_layout(config: AcceleratorConfig) -> data.StructLayout:
    """An entry of the parameter memory."""
    layout = {
        "bias": signed(config.accumulator_bits),
        "multiplier": config.multiplier_bits,
        "shift": SHIFT_BITS,
        "tie": TIE_BITS,
    }
    used = config.accumulator_bits + config.multiplier_bits + SHIFT_BITS + TIE_BITS
    if spare := 32 * config.parameter_units - used:
        layout["spare"] = spare
    return data.StructLayout(layout)


def output_layout(config: AcceleratorConfig) -> data.StructLayout:
    """``count`` int8 results for ``address`` and the bytes behind it; ``fresh`` as in
    ``beat_layout``."""
    lanes = config.requantize_lanes
    return data.StructLayout(
        {
            "values": data.ArrayLayout(8, lanes),
            "address": config.address_bits,
            "count": range(lanes + 1),
            "fresh": 1,
        }
    )


class RequantizeLane(wiring.Component):
    """Arithmetic of one lane; all registers move while ``enable`` is high.

    With the cycles of ``latency``: ``value`` comes ``operands_latency`` after a beat,
    ``parameters`` come later. ``result`` appears after ``first_pass``; and, if ``second`` was high
    in the cycle of the beat's table sum, that of its second pass after ``second_pass``.
    ``residual`` is the other operand of a second pass, wanted with the first pass's result.
    ``table`` writes T1 (rows 0..255) and T2 (256..511); if the configuration is ``free_running``,
    in the next enabled cycle.

    The formula, in one rounding, of the TensorFlow Lite quantization specification's
    MultiplyByQuantizedMultiplier is proved by the compiler for each channel
    (celosia.arithmetic.single_rounding).
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__(
            {
                "enable": In(1),
                "instruction": In(COMPUTE_LAYOUT),
                "value": In(signed(config.accumulator_bits)),
                "parameters": In(parameter_layout(config)),
                "second": In(1),
                "residual": In(8),
                "result": Out(signed(8)),
                "table_enable": In(1),
                "table_row": In(9),
                "table_data": In(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        instruction = self.instruction
        cycles = latency(config)

        def registered(value: Value, name: str, cycles: int = 1) -> Value:
            for cycle in range(cycles):
                register = Signal(value.shape(), name=f"{name}{cycle}", reset_less=True)
                with m.If(self.enable):
                    m.d.sync += register.eq(value)
                value = register
            return value

        # First pass: bias, product.
        value = registered(
            self.value, "value", cycles.parameters - operands_latency(config)
        ).as_signed()
        m.submodules.scale = product = scale.ScaleMultiplier(config)
        m.d.comb += [
            product.enable.eq(self.enable),
            product.x.eq(value + self.parameters.bias),
            product.multiplier.eq(self.parameters.multiplier),
            product.tie.eq(self.parameters.tie),
        ]
        shift = registered(self.parameters.shift, "shift", scale.LATENCY)

        # Second pass: sum of two table values.
        table_writes: list[Value] = [
            self.table_enable & (self.table_row[8] == index) for index in range(2)
        ]
        table_row: Value = self.table_row[:8]
        table_data: Value = self.table_data
        if config.free_running:
            # The tables of all lanes are far apart.
            *table_writes, table_row, table_data = (
                registered(value, f"table{index}")
                for index, value in enumerate((*table_writes, table_row, table_data))
            )
        table_values = []
        for index, operand in enumerate((self.result.as_unsigned(), self.residual)):
            m.submodules[f"table{index + 1}"] = table = BlockRam(
                depth=256, width=32, output_register=config.free_running
            )
            m.d.comb += [
                table.write_enable.eq(table_writes[index]),
                table.write_address.eq(table_row),
                table.write_data.eq(table_data),
                table.read_enable.eq(self.enable),
                table.read_address.eq(operand ^ 0x80),
            ]
            if config.free_running:
                m.d.comb += table.output_enable.eq(self.enable)
            table_values.append(table.read_data.as_signed())
        table_sum = registered(
            table_values[0] + table_values[1], "table_sum", 2 if config.free_running else 1
        )

        # Both: shift to halves of a step, round, add the zero point, clamp.
        width = max(len(product.product), _TABLE_SUM_BITS)
        scaled = Signal(signed(width))
        amount = Signal(SHIFT_BITS)
        with m.If(self.second):
            m.d.comb += [scaled.eq(table_sum), amount.eq(instruction.shift2)]
        with m.Else():
            m.d.comb += [scaled.eq(product.product), amount.eq(shift)]
        if config.free_running:
            scaled = registered(scaled, "scaled_last")
            amount = registered(amount, "amount_last")
        value = scaled
        negative: Value = scaled[-1]
        outside: Value = Const(0)
        for stage in reversed(range(SHIFT_BITS)):
            # What the stages behind this one can still shift out, and the result.
            kept = min(len(value), _RESULT_BITS - 1 + (1 << stage))
            above = value[kept - 1 :]
            shifted = Signal(signed(kept), name=f"shifted{stage}")
            lost = Signal(name=f"lost{stage}")
            m.d.comb += [
                shifted.eq(Mux(amount[stage], value >> (1 << stage), value)),
                lost.eq(outside | (~amount[stage] & ~above.all() & above.any())),
            ]
            value, outside = shifted, lost
            if stage == 3 and config.free_running:
                value, outside, negative, amount = (
                    registered(v, f"{name}_shifting")
                    for v, name in (
                        (value, "value"),
                        (outside, "outside"),
                        (negative, "negative"),
                        (amount, "amount"),
                    )
                )
        halves = registered(value, "halves")
        outside, negative = registered(outside, "outside"), registered(negative, "negative")

        # The result of a second pass has its zero point in the tables.
        second = registered(self.second, "second", cycles.result - 2)
        zero_point = Mux(second, 0, instruction.zero_point).as_signed()
        # Half a step is carried into the sum.
        total = Cat(Const(1, 1), halves[1:]).as_signed() + Cat(halves[0], zero_point).as_signed()
        y = registered(total[1:].as_signed(), "y")
        outside, negative = registered(outside, "far"), registered(negative, "sign")

        # What passes once more is an operand of any value.
        if config.free_running:
            operand = instruction.second_pass & ~second
        else:
            operand = instruction.second_pass & ~registered(second, "last")
        low = Mux(operand, -128, instruction.low).as_signed()
        high = Mux(operand, 127, instruction.high).as_signed()
        if config.free_running:
            low, high = registered(low, "low"), registered(high, "high")
        below = Mux(outside, negative, less(y, low, config))
        beyond = Mux(outside, ~negative, less(high, y, config))
        clamped = Mux(below, low, Mux(beyond, high, y))
        if config.free_running:
            m.d.comb += self.result.eq(registered(clamped.as_signed(), "result"))
        else:
            with m.If(self.enable):
                m.d.sync += self.result.eq(clamped)
        return m


class Requantizer(wiring.Component):
    """Requantizes beats of ``requantize_lanes`` accumulators; ``parameters`` holds the row that a
    beat asked for ``latency(config).parameters`` enabled cycles after it was sent. ``i.ready`` says
    that a cycle is enabled; if the configuration is ``free_running`` all are, and ``i.ready`` tells
    whether there will be a place for the beat among ``QUEUE_DEPTH`` results, and whether it is its
    turn.

    ``operands`` are those of the beat of ``operands_latency`` cycles before.

    Throughput one beat a cycle, or one in two cycles with ``second_pass`` (beats must then come
    in every second enabled cycle only, or find ``i.ready`` low in the others). Latency as
    ``latency`` says: 9 cycles, with ``second_pass`` 14; if the configuration is ``free_running`` 14
    and 23, and 2 more for the queue. ``busy``: a beat is inside.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__(
            {
                "instruction": In(COMPUTE_LAYOUT),
                "i": In(stream.Signature(beat_layout(config))),
                "operands": In(operands_layout(config)),
                "parameters": In(32 * config.parameter_chunks),
                "o": Out(stream.Signature(output_layout(config))),
                "busy": Out(1),
                "table_enable": In(1),
                "table_row": In(9),
                "table_data": In(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        cycles = latency(config)
        enable = Signal()
        # What leaves in an enabled cycle, without a queue right through the port.
        leaves, result = self.o.valid, self.o.p
        if config.free_running:
            leaves, result = Signal(), Signal(output_layout(config))
        # Beats in flight, by the cycles since they were sent.
        ages = Signal(cycles.second_pass)
        sent: Value = self.i.valid
        if config.free_running:
            sent = self.i.valid & self.i.ready
            second_turn = Signal()
            m.d.sync += second_turn.eq(~second_turn & self.instruction.second_pass)
            m.submodules.queue = queue = CreditQueue(
                output_layout(config), depth=QUEUE_DEPTH, registered=True, spare=1, fast=True
            )
            m.d.comb += [
                enable.eq(1),
                self.i.ready.eq(queue.ample & ~second_turn),
                queue.admit.eq(sent),
                queue.push.eq(leaves),
                queue.i.eq(result),
                self.busy.eq(~queue.empty),
            ]
            connect(m, queue.o, flipped(self.o))
        else:
            m.d.comb += [
                enable.eq(~self.o.valid | self.o.ready),
                self.i.ready.eq(enable),
                self.busy.eq(ages.any()),
            ]
        with m.If(enable):
            m.d.sync += [
                ages.eq(Cat(sent, ages)),
                # From a register, as the store and the scratchpad wait for it.
                leaves.eq(
                    Mux(
                        self.instruction.second_pass,
                        ages[cycles.second_pass - 2],
                        ages[cycles.first_pass - 2],
                    )
                ),
            ]
            with m.If(~self.instruction.second_pass):
                m.d.sync += ages[cycles.first_pass :].eq(0)

        where = data.StructLayout(
            {
                "address": config.address_bits,
                "count": range(config.requantize_lanes + 1),
                "fresh": 1,
            }
        )
        m.submodules.where = delayed = Delay(
            where, short=cycles.first_pass, long=cycles.second_pass
        )
        m.d.comb += [
            delayed.enable.eq(enable),
            delayed.select.eq(self.instruction.second_pass),
            delayed.i.address.eq(self.i.p.address),
            delayed.i.count.eq(self.i.p.count),
            delayed.i.fresh.eq(self.i.p.fresh),
            result.address.eq(delayed.o.address),
            result.count.eq(delayed.o.count),
            result.fresh.eq(delayed.o.fresh),
        ]
        residual = self.operands.residual.as_value()
        delay = cycles.first_pass - operands_latency(config)
        m.submodules.residual = waiting = Delay(residual.shape(), short=delay, long=delay)
        m.d.comb += [waiting.enable.eq(enable), waiting.i.eq(residual)]

        table_enable, table_row, table_data = self.table_enable, self.table_row, self.table_data
        if config.free_running:
            # For a fast clock, as it has far to go.
            table_enable = Signal()
            table_row, table_data = (
                Signal.like(value, name=f"delayed{index}", reset_less=True)
                for index, value in enumerate((self.table_row, self.table_data))
            )
            m.d.sync += [
                table_enable.eq(self.table_enable),
                table_row.eq(self.table_row),
                table_data.eq(self.table_data),
            ]
        entry_bits = 32 * config.parameter_units
        for index in range(config.requantize_lanes):
            m.submodules[f"lane{index}"] = lane = RequantizeLane(config)
            m.d.comb += [
                lane.enable.eq(enable),
                lane.instruction.eq(self.instruction),
                lane.value.eq(self.operands.values[index]),
                lane.parameters.eq(self.parameters[entry_bits * index : entry_bits * (index + 1)]),
                lane.second.eq(ages[cycles.second_pass - cycles.result - 1]),
                lane.residual.eq(waiting.o[8 * index : 8 * index + 8]),
                lane.table_enable.eq(table_enable),
                lane.table_row.eq(table_row),
                lane.table_data.eq(table_data),
                result.values[index].eq(lane.result),
            ]
        return m
