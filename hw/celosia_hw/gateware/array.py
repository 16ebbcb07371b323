# SPDX-License-Identifier: BSD-2-Clause
"""The MAC array with its three ways to accumulate: matrix, chain and maximum."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..isa import Opcode
from .compare import less
from .credit_queue import CreditQueue
from .interfaces import TAP_LAYOUT
from .products import Products
from .weights import FREE_RUNNING_LATENCY

#: Results that a free-running array has room for.
QUEUE_DEPTH = 16
#: Taps that may be sent before the first of them arrives and counts, or before it is known that it
#: did not find ``room``.
SPARE = FREE_RUNNING_LATENCY + 2
#: Registers that tell a free-running array the way to accumulate. Each hears of it from the one
#: before, so that all are different, and stands near those that it tells.
COPIES = 4


class MacArray(wiring.Component):
    """Multiplies each tap's activations with its weights and accumulates, as the opcode says.

    A tap (``i``, with its weight word on ``weights`` in the same cycle) is taken in each cycle
    in which ``i.ready`` is high. It is only withheld while a result waits for ``o.ready``; if the
    configuration is ``free_running``, while ``QUEUE_DEPTH`` results are waited for or wait; then
    ``room`` tells that ``SPARE`` more taps will be taken without a pause. ``o``
    carries ``group_bytes`` signed accumulators, of which CONV fills ``output_channels``, CHAIN
    and MAX ``input_channels``. ``busy``: a tap or a result is inside. Latency from the last tap of
    a position to its result: that of the products, plus 1 (CHAIN, MAX), plus 1 more for each two
    levels of the adder tree, or one that is left over (CONV), plus 1 for the queue. ``opcode``
    stands from a cycle before the first tap on, of a ``free_running`` array from ``1 + COPIES``.

    CHAIN is the transposed form of a finite impulse response filter (Crochiere and Rabiner,
    "Multirate Digital Signal Processing", 1983, section 3.1): the activations are broadcast and
    partial sums move from row to row, so that depthwise layers use ``chain_rows`` rows at the
    input bandwidth of a matrix product. All three ways end in the same accumulators.
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
                "room": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        rows, lanes = config.output_channels, config.input_channels
        # The opcode stands long before the first tap.
        is_conv, is_max = Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [is_conv.eq(self.opcode == Opcode.CONV), is_max.eq(self.opcode == Opcode.MAX)]

        def copies(value: Signal, count: int) -> list[Signal]:
            """``value`` for each of ``count`` places that need it."""
            if not config.free_running:
                return [value] * count
            chain = [value]
            for index in range(COPIES):
                copy = Signal(name=f"{value.name}{index}", reset_less=True)
                m.d.sync += copy.eq(chain[-1])
                chain.append(copy)
            return [chain[1 + place * COPIES // count] for place in range(count)]

        go = Signal()
        result = Signal()
        results = Signal(self.result_layout)
        taken = self.i.valid & self.i.ready
        if config.free_running:
            m.submodules.queue = queue = CreditQueue(
                self.result_layout, depth=QUEUE_DEPTH, spare=SPARE, fast=True
            )
            m.d.comb += [
                go.eq(1),
                self.i.ready.eq(queue.room),
                self.room.eq(queue.ample),
                queue.admit.eq(taken & self.i.p.tag.last & self.i.p.tag.emit),
                queue.push.eq(result),
                queue.i.eq(results),
            ]
            connect(m, queue.o, flipped(self.o))
            waiting = ~queue.empty
        else:
            m.d.comb += [
                go.eq(~result | self.o.ready),
                self.i.ready.eq(go),
                self.o.valid.eq(result),
                self.o.payload.eq(results),
            ]
            waiting = result

        def registered(value: Value, name: str) -> Signal:
            """``value`` one step later; all steps are taken together."""
            register = Signal(value.shape(), name=name, reset_less=True)
            with m.If(go):
                m.d.sync += register.eq(value)
            return register

        m.submodules.products = products = Products(config)
        m.d.comb += [
            products.enable.eq(go),
            products.x.as_value().eq(self.i.p.data),
            products.weights.as_value().eq(self.weights),
        ]
        # The last chain row takes the activations themselves to MAX.
        bottom = (config.chain_rows - 1) * lanes
        for lane, lane_is_max in enumerate(copies(is_max, lanes)):
            with m.If(lane_is_max):
                m.d.comb += products.weights[bottom + lane].eq(1)

        # CONV: add up the lanes, a register behind every second level.
        sums: list[list[Value]] = [
            [products.products[row * lanes + lane] for lane in range(lanes)] for row in range(rows)
        ]
        level = levels = 0
        while len(sums[0]) > 1:
            level += 1
            last = level % 2 == 0 or len(sums[0]) == 2
            levels += last
            for row, terms in enumerate(sums):
                pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=True)]
                for index, value in enumerate(pairs):
                    name = f"sum{level}_{row}_{index}"
                    if last:
                        pairs[index] = registered(value, name)
                    else:
                        # Kept: Yosys would merge the adders into carry-save adders, twice as large.
                        total = Signal(value.shape(), name=name, attrs={"keep": 1})
                        m.d.comb += total.eq(value)
                        pairs[index] = total
                sums[row] = pairs

        # Validity and flags of the taps that the stages hold, and of those to be accumulated.
        valid: list[Value] = [taken]
        tags = [self.i.p.tag]
        for stage in range(1, products.latency + levels):
            step = Signal(name=f"stage{stage}_valid")
            with m.If(go):
                m.d.sync += step.eq(valid[-1])
            valid.append(step)
            tags.append(data.View(TAP_LAYOUT, registered(tags[-1].as_value(), f"stage{stage}_tag")))
        # The last stage is behind the adder tree or, without that, behind the products.
        before = products.latency - 1
        now = Signal()
        with m.If(go):
            m.d.sync += now.eq(Mux(is_conv, valid[-1], valid[before]))
        following = data.View(
            TAP_LAYOUT, Mux(is_conv, tags[-1].as_value(), tags[before].as_value())
        )
        tag = data.View(TAP_LAYOUT, registered(following.as_value(), "tag"))
        # What the accumulators do is known a cycle ahead: for a fast clock it comes from registers.
        coming = following if config.free_running else tag

        def known(value: Value, name: str) -> Value:
            return registered(value, name) if config.free_running else value

        always = known(~is_max | coming.first, "always")

        # CHAIN: partial sums move from row to row at the first tap of each position. The last row
        # serves CONV and MAX as well.
        row_is_conv = copies(is_conv, rows)
        above: list[Value] = [Const(0)] * lanes
        for row in range(config.chain_rows):
            last = row == config.chain_rows - 1
            moves: Value = coming.first if row else Const(0)
            loads = coming.first & coming.line_start if row else coming.first
            if last:
                moves &= ~is_conv
                loads = coming.first & (coming.line_start | is_conv) | is_max
            moves, loads = known(moves, f"moves{row}"), known(loads, f"loads{row}")
            accumulators: list[Value] = []
            for index in range(config.group_bytes if last else lanes):
                wide = last and index < rows
                bits = config.accumulator_bits if wide else config.chain_bits
                acc = Signal(signed(bits), name=f"acc{row}_{index}", reset_less=True)
                addend = Signal(signed(bits), name=f"addend{row}_{index}")
                if index < lanes:
                    m.d.comb += addend.eq(products.products[row * lanes + index])
                takes = now
                if last:
                    if index < rows:
                        with m.If(row_is_conv[index]):
                            m.d.comb += addend.eq(sums[index][0])
                    if index < lanes:
                        # For a fast clock without a look at what CONV adds.
                        candidate = products.products[row * lanes + index]
                        candidate = candidate if config.free_running else addend
                        larger = less(acc[:8].as_signed(), candidate[:8].as_signed(), config)
                        takes = now & (always | larger)
                base = Mux(moves, above[index], acc) if index < lanes else acc
                if config.free_running:
                    total = Mux(loads, 0, base) + addend
                else:
                    # A load behind the adder costs no cell: a cell's carry has an input to spare.
                    total = Mux(loads, addend, base + addend)
                with m.If(go & takes):
                    m.d.sync += acc.eq(total)
                accumulators.append(acc)
            above = accumulators

        # A result is there one step after its last tap was added.
        with m.If(go):
            m.d.sync += result.eq(now & tag.last & tag.emit)
        m.d.comb += [results[index].eq(acc) for index, acc in enumerate(above)]
        m.d.comb += self.busy.eq(waiting | Cat(*valid[1:], now).any())
        return m
