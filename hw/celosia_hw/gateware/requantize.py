# SPDX-License-Identifier: BSD-2-Clause
"""Turns accumulators into int8 outputs with a single rounding, and adds residuals."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import SHIFT_BITS, TIE_BITS, AcceleratorConfig
from ..isa import NO_TIE
from .delay import Delay
from .drain import beat_layout
from .interfaces import COMPUTE_LAYOUT

#: Registers behind the product; a synthesizer may move them into the multiplier.
MULTIPLIER_STAGES = 3
#: Cycles from the sending of a beat to its product.
TO_PRODUCT = 2 + MULTIPLIER_STAGES
#: Cycles from a product (or a sum of table values) to the int8 result.
TO_RESULT = 4
#: Cycles from an int8 result to the sum of its table values. Odd in all with TO_RESULT, as second
#: passes use the cycles between first passes.
TO_SUM = 3
assert (TO_RESULT + TO_SUM) % 2 == 1


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
    """``count`` int8 results for ``address`` and the bytes behind it."""
    lanes = config.requantize_lanes
    return data.StructLayout(
        {
            "values": data.ArrayLayout(8, lanes),
            "address": config.address_bits,
            "count": range(lanes + 1),
        }
    )


class RequantizeLane(wiring.Component):
    """Arithmetic of one lane; all registers move while ``enable`` is high.

    ``value`` comes with a beat, ``parameters`` one cycle later. ``result`` appears after
    TO_PRODUCT + TO_RESULT cycles, and, if ``second`` is high in the cycle TO_PRODUCT after
    a beat that was TO_RESULT + TO_SUM cycles earlier, the result of that beat's second pass
    TO_RESULT cycles after. ``residual`` is the other operand of a second pass, wanted
    with the first pass's result. ``table`` writes T1 (rows 0..255) and T2 (256..511).

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
        product_bits = config.accumulator_bits + config.multiplier_bits + 2

        def registered(value: Value, name: str, cycles: int = 1) -> Signal:
            for cycle in range(cycles):
                register = Signal(value.shape(), name=f"{name}_{cycle}" if cycles > 1 else name)
                with m.If(self.enable):
                    m.d.sync += register.eq(value)
                value = register
            return value

        # First pass: bias, product.
        value = registered(self.value, "value_delayed")
        biased = Signal(signed(config.accumulator_bits))
        m.d.comb += biased.eq(value + self.parameters.bias)
        x = registered(biased, "x")
        multiplier = registered(self.parameters.multiplier, "multiplier")
        product = registered(x * multiplier, "product", MULTIPLIER_STAGES)
        # With this shift and all beyond it the result is 0; half a step of those would not fit.
        largest = min(product_bits - 1, (1 << SHIFT_BITS) - 1)

        def limited(shift: Value) -> Value:
            return Mux(shift > largest, largest, shift)

        shift = registered(limited(self.parameters.shift), "shift", 1 + MULTIPLIER_STAGES)
        tie = registered(self.parameters.tie, "tie", 1 + MULTIPLIER_STAGES)

        # Second pass: sum of two table values.
        result = self.result
        table_values = []
        for index, operand in enumerate((result.as_unsigned(), self.residual)):
            memory = Memory(shape=signed(32), depth=256, init=[])
            m.submodules[f"table{index + 1}"] = memory
            write = memory.write_port()
            read = memory.read_port()
            m.d.comb += [
                write.en.eq(self.table_enable & (self.table_row[8] == index)),
                write.addr.eq(self.table_row[:8]),
                write.data.eq(self.table_data),
                read.en.eq(self.enable),
                read.addr.eq(operand ^ 0x80),
            ]
            table_values.append(registered(read.data, f"table_value{index + 1}"))
        other = Mux(instruction.residual, table_values[1], 0)
        table_sum = registered(table_values[0] + other, "table_sum")

        # Both: round, shift, add the zero point, clamp.
        scaled = Signal(signed(product_bits))
        shift_now = Signal(SHIFT_BITS)
        tie_now = Signal(TIE_BITS)
        with m.If(self.second):
            m.d.comb += [
                scaled.eq(table_sum),
                shift_now.eq(limited(instruction.shift2)),
                tie_now.eq(instruction.tie2),
            ]
        with m.Else():
            m.d.comb += [scaled.eq(product), shift_now.eq(shift), tie_now.eq(tie)]
        half = Signal(product_bits - 1)
        tie_bit = Signal(product_bits - 2)
        rounded = Signal(signed(product_bits))
        m.d.comb += half.eq((1 << shift_now) >> 1)
        with m.If(tie_now != NO_TIE):
            m.d.comb += tie_bit.eq(1 << tie_now)
        with m.If(scaled < 0):
            m.d.comb += rounded.eq(scaled + half - tie_bit)
        with m.Else():
            m.d.comb += rounded.eq(scaled + half + tie_bit)
        rounded = registered(rounded, "rounded")
        shift_now = registered(shift_now, "shift_coarse")

        def saturated(value: Value, bits: int, name: str) -> Signal:
            """``value`` where ``bits`` can hold it, else their nearest limit."""
            narrow = Signal(signed(bits), name=name)
            above = value[bits - 1 :]
            m.d.comb += narrow.eq(
                Mux(
                    above.all() | ~above.any(),
                    value[:bits],
                    Cat((~value[-1]).replicate(bits - 1), value[-1]),
                )
            )
            return narrow

        # 10 bits hold every result that the zero point can bring into int8's range.
        coarse = registered(
            saturated(rounded >> (shift_now & 0x38), 18, "coarse"), "coarse_shifted"
        )
        fine_shift = registered(shift_now[:3], "shift_fine")
        fine = registered(saturated(coarse >> fine_shift, 10, "fine"), "fine_shifted")
        second = registered(self.second, "second_delayed", TO_RESULT - 1)
        zero_point = Mux(second, instruction.zero_point2, instruction.zero_point)
        low = Mux(second, instruction.low2, instruction.low)
        high = Mux(second, instruction.high2, instruction.high)
        shifted = Signal(signed(11))
        m.d.comb += shifted.eq(fine + zero_point)
        with m.If(self.enable):
            m.d.sync += result.eq(Mux(shifted < low, low, Mux(shifted > high, high, shifted)))
        return m


class Requantizer(wiring.Component):
    """Requantizes beats of ``requantize_lanes`` accumulators; ``parameters`` holds the row that a
    beat asked for one cycle after it was sent.

    Throughput one beat a cycle, or one in two cycles with ``second_pass`` (beats must then come
    in every second enabled cycle only). Latency TO_PRODUCT + TO_RESULT = 9 cycles, with
    ``second_pass`` 16. ``busy``: a beat is inside.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__(
            {
                "instruction": In(COMPUTE_LAYOUT),
                "i": In(stream.Signature(beat_layout(config))),
                "parameters": In(32 * config.parameter_units * config.requantize_lanes),
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
        first_latency = TO_PRODUCT + TO_RESULT
        second_latency = first_latency + TO_SUM + TO_RESULT
        enable = Signal()
        # Beats in flight, by the cycles since they were sent.
        ages = Signal(second_latency)
        m.d.comb += [
            enable.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(enable),
            self.busy.eq(ages.any()),
            self.o.valid.eq(
                Mux(
                    self.instruction.second_pass,
                    ages[second_latency - 1],
                    ages[first_latency - 1],
                )
            ),
        ]
        with m.If(enable):
            m.d.sync += ages.eq(Cat(self.i.valid, ages))
            with m.If(~self.instruction.second_pass):
                m.d.sync += ages[first_latency:].eq(0)

        where = data.StructLayout(
            {"address": config.address_bits, "count": range(config.requantize_lanes + 1)}
        )
        m.submodules.where = delayed = Delay(where, short=first_latency, long=second_latency)
        m.d.comb += [
            delayed.enable.eq(enable),
            delayed.select.eq(self.instruction.second_pass),
            delayed.i.address.eq(self.i.p.address),
            delayed.i.count.eq(self.i.p.count),
            self.o.p.address.eq(delayed.o.address),
            self.o.p.count.eq(delayed.o.count),
        ]
        residual = self.i.p.residual.as_value()
        m.submodules.residual = waiting = Delay(
            residual.shape(), short=first_latency, long=first_latency
        )
        m.d.comb += [waiting.enable.eq(enable), waiting.i.eq(residual)]

        entry_bits = 32 * config.parameter_units
        for index in range(config.requantize_lanes):
            m.submodules[f"lane{index}"] = lane = RequantizeLane(config)
            m.d.comb += [
                lane.enable.eq(enable),
                lane.instruction.eq(self.instruction),
                lane.value.eq(self.i.p.values[index]),
                lane.parameters.eq(self.parameters[entry_bits * index : entry_bits * (index + 1)]),
                lane.second.eq(ages[second_latency - TO_RESULT - 1]),
                lane.residual.eq(waiting.o[8 * index : 8 * index + 8]),
                lane.table_enable.eq(self.table_enable),
                lane.table_row.eq(self.table_row),
                lane.table_data.eq(self.table_data),
                self.o.p.values[index].eq(lane.result),
            ]
        return m
