# SPDX-License-Identifier: BSD-2-Clause
"""An int8 multiplier out of LUTs and carry chains, for where there are no DSP blocks left."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

#: Enabled cycles from operands to the product.
LATENCY = 2


class FabricMultiplier(wiring.Component):
    """``p`` is ``a * b``, ``LATENCY`` cycles of ``enable`` later.

    All registers hold while ``enable`` is low, and none is reset by the domain. Throughput one
    product a cycle.

    Radix-4 Booth recoding (MacSorley, "High-Speed Arithmetic in Binary Computers", Proceedings of
    the IRE, 1961): ``b`` becomes four digits of -2 to 2, and each partial product bit is a function
    of two bits of ``a`` and two that the digit gives, so it takes one LUT, because digits of zero
    reset the registers behind. Of a negative partial product the complement is kept, and a one is
    due; the chains that add have three places for these at their starts. The fourth, of the first
    partial product, is added to it.
    """

    def __init__(self) -> None:
        super().__init__(
            {"enable": In(1), "a": In(signed(8)), "b": In(signed(8)), "p": Out(signed(16))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()

        def add(a: Value, b: Value, bits: int, *, carry: Value | None = None) -> Value:
            """The sum of signed ``a`` and ``b`` and a ``carry``, in one chain of ``bits``."""
            low = Const(0, 0) if carry is None else Const(1, 1)
            first, second = Signal(signed(bits)), Signal(signed(bits))
            m.d.comb += [first.eq(a), second.eq(b)]
            total = Cat(low, first) + Cat(Const(0, 0) if carry is None else carry, second)
            return total[len(low) : len(low) + bits].as_signed()

        partial: list[Value] = []
        due: list[Value] = []
        twice = Cat(Const(0, 1), self.a)
        for digit in range(4):
            high, middle = self.b[2 * digit + 1], self.b[2 * digit]
            low = self.b[2 * digit - 1] if digit else Const(0, 1)
            single = middle ^ low
            # Bits of the value before it is negated; bit 8 is the sign.
            bits = [(single & self.a[min(bit, 7)]) | (~single & twice[bit]) for bit in range(9)]
            negated = [bit ^ high for bit in bits]
            one: Value = high
            if digit == 0:
                # Its two low bits are those of the negative, with the one due added.
                negated[0] = bits[0]
                negated[1] = bits[1] ^ (high & bits[0])
                one = high & ~bits[0] & ~bits[1]
            register = Signal(10, name=f"partial{digit}", reset_less=True)
            with m.If(self.enable):
                m.d.sync += register.eq(Cat(*negated, one))
                with m.If((high == middle) & (middle == low)):
                    m.d.sync += register.eq(0)
            partial.append(register[:9].as_signed())
            due.append(register[9])

        upper0 = add(partial[0] >> 2, Cat(due[0], Const(0, 7)).as_signed(), 8)
        sum0 = Cat(partial[0][:2], add(upper0, partial[1], 10, carry=due[1])).as_signed()
        upper1 = add(partial[2] >> 2, partial[3], 10, carry=due[3])
        sum1 = Cat(partial[2][:2], upper1).as_signed()
        product = Cat(sum0[:4], add(sum0 >> 4, sum1, 12, carry=due[2])).as_signed()
        p = Signal.like(self.p, reset_less=True)
        with m.If(self.enable):
            m.d.sync += p.eq(product)
        m.d.comb += self.p.eq(p)
        return m
