# SPDX-License-Identifier: BSD-2-Clause
"""The MAC array with its three ways to accumulate: matrix, chain and maximum."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..isa import Opcode
from .interfaces import TAP_LAYOUT


class MacArray(wiring.Component):
    """Multiplies each tap's activations with its weights and accumulates, as the opcode says.

    A tap (``i``, with its weight word on ``weights`` in the same cycle) is taken in each cycle
    in which ``i.ready`` is high, which is only withheld while a result waits for ``o.ready``. ``o``
    carries ``group_bytes`` signed accumulators, of which CONV fills ``output_channels``, CHAIN
    and MAX ``input_channels``. ``busy``: a tap or a result is inside. Latency from the last tap of
    a position to its result: 3 cycles plus 1 for each two levels of the adder tree, or one that is
    left over (CONV), 3 (CHAIN), 2 (MAX).

    CHAIN is the transposed form of a finite impulse response filter (Crochiere and Rabiner,
    "Multirate Digital Signal Processing", 1983, section 3.1): the activations are broadcast and
    partial sums move from row to row, so that depthwise layers use ``chain_rows`` rows at the
    input bandwidth of a matrix product.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.tap_layout = data.StructLayout({"tag": TAP_LAYOUT, "data": 8 * config.input_channels})
        self.result_layout = data.ArrayLayout(signed(config.accumulator_bits), config.group_bytes)
        super().__init__(
            {
                "opcode": In(4),
                "i": In(stream.Signature(self.tap_layout)),
                "weights": In(8 * config.output_channels * config.input_channels),
                "o": Out(stream.Signature(self.result_layout)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        rows, lanes = config.output_channels, config.input_channels
        is_conv = self.opcode == Opcode.CONV
        is_chain = self.opcode == Opcode.CHAIN
        is_max = self.opcode == Opcode.MAX

        go = Signal()
        m.d.comb += [go.eq(~self.o.valid | self.o.ready), self.i.ready.eq(go)]

        def registered(value: Value, name: str) -> Signal:
            """``value`` one step later; all steps are taken together."""
            register = Signal(value.shape(), name=name)
            with m.If(go):
                m.d.sync += register.eq(value)
            return register

        class Step:
            """Validity and flags of the tap that a pipeline stage holds."""

            def __init__(self, valid: Value, tag: Value) -> None:
                self.valid = valid
                self.tag = data.View(TAP_LAYOUT, tag)

            def next(self, name: str) -> Step:
                valid = registered(self.valid, f"{name}_valid")
                return Step(valid, registered(self.tag.as_value(), f"{name}_tag"))

        steps = [Step(self.i.valid, self.i.p.tag.as_value())]
        for name in ("operands", "products"):
            steps.append(steps[-1].next(name))

        # Operands, then products: two registers, which a multiplier block has inside.
        x = [
            registered(self.i.p.data[8 * lane : 8 * lane + 8].as_signed(), f"x{lane}")
            for lane in range(lanes)
        ]
        products: list[list[Signal]] = []
        for row in range(rows):
            products.append([])
            for lane in range(lanes):
                byte = 8 * (row * lanes + lane)
                weight = registered(self.weights[byte : byte + 8].as_signed(), f"w{row}_{lane}")
                products[row].append(registered(weight * x[lane], f"product{row}_{lane}"))

        # CONV: add up the lanes, a register behind every second level, then over the taps.
        sums = products
        level = 0
        while len(sums[0]) > 1:
            level += 1
            sums = [[a + b for a, b in zip(s[::2], s[1::2], strict=True)] for s in sums]
            if level % 2 == 0 or len(sums[0]) == 1:
                sums = [
                    [registered(v, f"sum{level}_{r}_{i}") for i, v in enumerate(s)]
                    for r, s in enumerate(sums)
                ]
                steps.append(steps[-1].next(f"sums{level}"))
        conv_step = steps[-1]
        conv_acc = [Signal(signed(config.accumulator_bits), name=f"acc{r}") for r in range(rows)]
        with m.If(go & conv_step.valid):
            for acc, (total,) in zip(conv_acc, sums, strict=True):
                m.d.sync += acc.eq(Mux(conv_step.tag.first, 0, acc) + total)

        # CHAIN: partial sums move from row to row at the first tap of each position.
        chain_step = steps[2]
        chain = [
            [Signal(signed(config.chain_bits), name=f"chain{r}_{i}") for i in range(lanes)]
            for r in range(config.chain_rows)
        ]
        with m.If(go & chain_step.valid & is_chain):
            for row in range(config.chain_rows):
                for lane in range(lanes):
                    before = chain[row - 1][lane] if row else 0
                    start = Mux(chain_step.tag.line_start, 0, before)
                    base = Mux(chain_step.tag.first, start, chain[row][lane])
                    m.d.sync += chain[row][lane].eq(base + products[row][lane])

        # MAX: of the operands themselves.
        max_step = steps[1]
        maximum = [Signal(signed(8), name=f"max{lane}") for lane in range(lanes)]
        with m.If(go & max_step.valid & is_max):
            for lane in range(lanes):
                with m.If(max_step.tag.first | (x[lane] > maximum[lane])):
                    m.d.sync += maximum[lane].eq(x[lane])

        # A result is there one step after its last tap was added.
        def finished(step: Step, mode: Value) -> Value:
            return step.valid & step.tag.last & step.tag.emit & mode

        done = [
            registered(finished(conv_step, is_conv), "conv_done"),
            registered(finished(chain_step, is_chain), "chain_done"),
            registered(finished(max_step, is_max), "max_done"),
        ]
        m.d.comb += self.o.valid.eq(Cat(*done).any())
        for index in range(config.group_bytes):
            value = self.o.p[index]
            if index < rows:
                with m.If(is_conv):
                    m.d.comb += value.eq(conv_acc[index])
            if index < lanes:
                with m.If(is_chain):
                    m.d.comb += value.eq(chain[-1][index])
                with m.If(is_max):
                    m.d.comb += value.eq(maximum[index])
        m.d.comb += self.busy.eq(Cat(self.o.valid, *(step.valid for step in steps[1:])).any())
        return m
