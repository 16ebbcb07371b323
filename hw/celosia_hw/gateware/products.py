# SPDX-License-Identifier: BSD-2-Clause
"""All products of a tap: one for each row and lane of the array."""

from __future__ import annotations

from amaranth.hdl import Module, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..primitives import fabric, mac16, mult18


class Products(wiring.Component):
    """Product r * lanes + l is activation ``x[l]`` times weight r * lanes + l.

    They appear ``latency`` cycles in which ``enable`` is high after their operands; all registers
    hold while it is low. Throughput one tap a cycle. What makes them is the configuration's
    ``multipliers``.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.latency = {
            "fabric": fabric.LATENCY,
            "mac16": mac16.LATENCY,
            "mult18": mult18.LATENCY,
            "mult18_pair": mult18.PAIR_LATENCY,
        }[config.multipliers]
        count = config.output_channels * config.input_channels
        super().__init__(
            {
                "enable": In(1),
                "x": In(data.ArrayLayout(signed(8), config.input_channels)),
                "weights": In(data.ArrayLayout(signed(8), count)),
                "products": Out(data.ArrayLayout(signed(16), count)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows, lanes = self.config.output_channels, self.config.input_channels
        # Two rows at a time, as two products with the same activation can share a multiplier.
        for upper in range(0, rows, 2):
            for lane in range(lanes):
                x = self.x[lane]
                first, second = upper * lanes + lane, (upper + 1) * lanes + lane
                w0, w1 = self.weights[first], self.weights[second]
                p0, p1 = self.products[first], self.products[second]
                name = f"product{upper}_{lane}"
                if self.config.multipliers == "mac16":
                    m.submodules[name] = dual = mac16.DualMultiplier()
                    m.d.comb += [dual.a0.eq(w0), dual.b0.eq(x), p0.eq(dual.p0)]
                    m.d.comb += [dual.a1.eq(w1), dual.b1.eq(x), p1.eq(dual.p1)]
                    m.d.comb += dual.enable.eq(self.enable)
                elif self.config.multipliers == "mult18_pair":
                    m.submodules[name] = pair = mult18.PairMultiplier()
                    m.d.comb += [pair.w0.eq(w0), pair.w1.eq(w1), pair.x.eq(x)]
                    m.d.comb += [p0.eq(pair.p0), p1.eq(pair.p1), pair.enable.eq(self.enable)]
                else:
                    kind = self.config.multipliers
                    for row, w, p in ((upper, w0, p0), (upper + 1, w1, p1)):
                        one = (
                            mult18.Multiplier18() if kind == "mult18" else fabric.FabricMultiplier()
                        )
                        m.submodules[f"product{row}_{lane}"] = one
                        m.d.comb += [one.a.eq(w), one.b.eq(x), p.eq(one.p)]
                        m.d.comb += one.enable.eq(self.enable)
        return m
