# SPDX-License-Identifier: BSD-2-Clause
"""The wide product of requantization."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..primitives.mult18 import LATENCY as MULT18_LATENCY
from ..primitives.mult18 import Multiplier18

#: Enabled cycles from operands to the product.
LATENCY = 5
#: Cycles that a chain of additions takes; a register at the operands and one sum are the others.
_CHAIN_CYCLES = LATENCY - 2
#: Bits of an operand that a MULT18X18D takes, signed, and unsigned.
_SIGNED, _UNSIGNED = 18, 17


class ScaleMultiplier(wiring.Component):
    """``product`` is ``(x * multiplier + offset) >> (least_shift - 1)``, ``LATENCY`` cycles of
    ``enable`` later; ``offset`` is 0 without ``tie``, else 2^(multiplier_bits - 1), negated where
    x is negative.

    All registers hold while ``enable`` is low, and none is reset. Throughput one product a cycle.
    If the configuration is ``free_running`` it takes three MULT18X18D and a small product of LUTs,
    else LUTs only: each row of a chain adds x if its bit of the multiplier is high, at one cell of
    iCE40 a bit, as the choice between sum and summand fits the LUT behind the carry. Two chains
    of half the rows each work side by side. What falls below the result's lowest bit is
    not computed but for its carries.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__(
            {
                "enable": In(1),
                "x": In(signed(config.accumulator_bits)),
                "multiplier": In(config.multiplier_bits),
                "tie": In(1),
                "product": Out(signed(config.accumulator_bits + 11)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total = self._with_blocks(m) if self.config.free_running else self._with_chains(m)
        low = self.config.least_shift - 1
        m.d.comb += self.product.eq(self._registered(m, total[low:].as_signed(), "sum"))
        return m

    def _registered(self, m: Module, value: Value, name: str) -> Signal:
        register = Signal(value.shape(), name=name, reset_less=True)
        with m.If(self.enable):
            m.d.sync += register.eq(value)
        return register

    def _with_chains(self, m: Module) -> Value:
        """The sum in the cycle before the last."""
        bits = self.config.multiplier_bits
        half = bits // 2
        x = self._registered(m, self.x, "x")
        multiplier = self._registered(m, self.multiplier, "multiplier")
        tie = self._registered(m, self.tie, "tie")
        # The upper chain begins with the offset.
        place = bits - 1 - half
        ones = (tie & x[-1]).replicate(len(x) - 1 - place)
        offset = Cat(Const(0, place), tie, ones).as_signed()
        lower = self._chain(m, Const(0, len(x)).as_signed(), x, multiplier[:half], "lower")
        upper = self._chain(m, offset, x, multiplier[half:], "upper")
        # What the lower chain has shifted out is final.
        total = Signal(signed(len(x) + bits + 1 - half))
        m.d.comb += total.eq(upper + (lower >> half))
        return Cat(lower[:half], total)

    def _chain(self, m: Module, start: Value, addend: Value, bits: Value, name: str) -> Value:
        """``start + addend * bits`` after ``_CHAIN_CYCLES``; all operands as long as ``addend``."""
        total = start
        kept: Value = Const(0, 0)
        each = -(-len(bits) // _CHAIN_CYCLES)
        for cycle in range(_CHAIN_CYCLES):
            for row in range(min(each, len(bits))):
                following = Signal(_longer(total), name=f"{name}{cycle}_{row}")
                m.d.comb += following.eq(Mux(bits[row], total + addend, total))
                kept = Cat(kept, following[0])
                total = _signed_like(following[1:], addend)
            bits = bits[each:]
            total = self._registered(m, total, f"{name}{cycle}")
            if len(kept):
                kept = self._registered(m, kept, f"{name}{cycle}_kept")
            if len(bits):
                bits = self._registered(m, bits, f"{name}{cycle}_bits")
                addend = self._registered(m, addend, f"{name}{cycle}_addend")
        return _signed_like(Cat(kept, total), addend)

    def _with_blocks(self, m: Module) -> Value:
        """The sum in the cycle before the last, of products of x's and the multiplier's halves."""
        x, multiplier = self.x, self.multiplier
        x_low = max(len(x) - _SIGNED, 1)
        m_low = max(len(multiplier) - _UNSIGNED, 1)

        def block(a: Value, b: Value, name: str) -> Value:
            m.submodules[name] = product = Multiplier18()
            m.d.comb += [product.enable.eq(self.enable), product.a.eq(a), product.b.eq(b)]
            return product.p

        high = block(x[x_low:].as_signed(), multiplier[m_low:], "high")
        cross = block(x[x_low:].as_signed(), multiplier[:m_low], "cross")
        other = block(x[:x_low], multiplier[m_low:], "other")
        # The smallest of the four products is none of a block.
        assert _CHAIN_CYCLES == MULT18_LATENCY
        small = self._chain(m, Const(0, m_low), multiplier[:m_low], x[:x_low], "small")
        offset = Cat(self.tie, self.tie & x[-1])
        for cycle in range(MULT18_LATENCY):
            offset = self._registered(m, offset, f"offset{cycle}")
        place = len(multiplier) - 1
        # The small product fills the bits below the high one.
        outer = Cat(small, high)
        sums = (
            Cat(outer[:place], (outer[place:].as_signed() + offset.as_signed())),
            (cross << x_low) + (other << m_low),
        )
        first, second = (
            self._registered(m, value.as_signed(), f"sum{index}")
            for index, value in enumerate(sums)
        )
        total = Signal(signed(len(x) + len(multiplier) + 1))
        m.d.comb += total.eq(first + second)
        return total


def _longer(value: Value) -> object:
    shape = value.shape()
    return signed(shape.width + 1) if shape.signed else shape.width + 1


def _signed_like(value: Value, other: Value) -> Value:
    return value.as_signed() if other.shape().signed else value
