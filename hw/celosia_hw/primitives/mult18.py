# SPDX-License-Identifier: BSD-2-Clause
"""The 18 x 18 bit multiplier of ECP5, and two int8 products in one of them."""

from __future__ import annotations

import itertools

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from . import family

#: Enabled cycles from operands to the product of ``Multiplier18``.
LATENCY = 3
#: Enabled cycles from operands to the products of ``PairMultiplier``.
PAIR_LATENCY = LATENCY + 1
#: Bits between the two weights that share an operand.
_SHIFT = 10
#: Bits of a product of two int8 but -128 * -128, less ``_SHIFT``: they lie on top of each other.
_OVERLAP = 5


class Multiplier18(wiring.Component):
    """``p`` is ``a * b``, ``LATENCY`` cycles of ``enable`` later.

    All registers hold while ``enable`` is low, and none is reset. Throughput one product a cycle.
    On ECP5 it is one MULT18X18D with its input, pipeline and output registers (Lattice
    FPGA-TN-02205, ECP5 and ECP5-5G sysDSP Usage Guide), elsewhere logic of any kind.
    """

    def __init__(self) -> None:
        super().__init__(
            {"enable": In(1), "a": In(signed(18)), "b": In(signed(18)), "p": Out(signed(36))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if family(platform) == "ecp5":
            m.submodules.mult = self._mult18x18d()
            return m
        a, b = Signal.like(self.a, reset_less=True), Signal.like(self.b, reset_less=True)
        product, p = Signal.like(self.p, reset_less=True), Signal.like(self.p, reset_less=True)
        with m.If(self.enable):
            m.d.sync += [a.eq(self.a), b.eq(self.b), product.eq(a * b), p.eq(product)]
        m.d.comb += self.p.eq(p)
        return m

    def _mult18x18d(self) -> Instance:
        registers = ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")
        parameters: dict[str, str] = {}
        for register in registers:
            parameters |= {
                f"p_REG_{register}_CLK": "CLK0",
                f"p_REG_{register}_CE": "CE0",
                f"p_REG_{register}_RST": "RST0",
            }
        # The shift inputs stay open: nothing but a neighbour's output can be routed to them.
        zeros = ["SOURCEA", "SOURCEB", "RST0", *(f"C{bit}" for bit in range(18))]
        return Instance(
            "MULT18X18D",
            **parameters,
            p_REG_INPUTC_CLK="NONE",
            p_SOURCEB_MODE="B_SHIFT",
            p_MULT_BYPASS="DISABLED",
            p_CAS_MATCH_REG="FALSE",
            p_RESETMODE="SYNC",
            p_GSR="DISABLED",
            i_CLK0=ClockSignal(),
            i_CE0=self.enable,
            i_SIGNEDA=Const(1, 1),
            i_SIGNEDB=Const(1, 1),
            **{f"i_A{bit}": self.a[bit] for bit in range(18)},
            **{f"i_B{bit}": self.b[bit] for bit in range(18)},
            **{f"i_{name}": Const(0, 1) for name in zeros},
            **{f"o_P{bit}": self.p[bit] for bit in range(36)},
        )


class PairMultiplier(wiring.Component):
    """``p0`` is ``w0 * x`` and ``p1`` is ``w1 * x``, ``PAIR_LATENCY`` cycles of ``enable`` later.

    The weights are -127 to 127; with -128 products are wrong. All registers hold while ``enable``
    is low, and none is reset. Throughput one pair a cycle. It takes one ``Multiplier18``.

    One operand is w0 * 2^10 + w1, which has 18 bits, so that the product is w0 x * 2^10 + w1 x. Its
    low 10 bits are those of w1 x. The others are q = w0 x + floor(w1 x / 2^10), whose second
    term is -16 to 15. With l = w0 x mod 32, computed apart, q - (l - 16) is a multiple of 32,
    floor(w0 x / 32) * 32, plus that term + 16, which has 5 bits: one subtraction splits them.
    """

    def __init__(self) -> None:
        weight, product = signed(8), signed(16)
        super().__init__(
            {
                "enable": In(1),
                "w0": In(weight),
                "w1": In(weight),
                "x": In(signed(8)),
                "p0": Out(product),
                "p1": Out(product),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()

        def registered(value: Value, name: str) -> Signal:
            register = Signal(value.shape(), name=name, reset_less=True)
            with m.If(self.enable):
                m.d.sync += register.eq(value)
            return register

        m.submodules.multiplier = multiplier = Multiplier18()
        m.d.comb += [
            multiplier.enable.eq(self.enable),
            # The sum of bits 10 and up; those below are w1's.
            multiplier.a.eq(Cat(self.w1, self.w1[7].replicate(2), (self.w0 - self.w1[7])[:8])),
            multiplier.b.eq(self.x),
        ]

        # l, in the three cycles of the multiplier: columns of partial products, compressed so that
        # each bit fits a LUT. (Operators would take carry chains, or another multiplier.)
        columns: list[list[Value]] = [
            [self.w0[i] & self.x[column - i] for i in range(column + 1)]
            for column in range(_OVERLAP)
        ]
        for stage, size in enumerate((2, 3)):
            columns = [
                [registered(bit, f"low{stage}_{column}_{index}") for index, bit in enumerate(bits)]
                for column, bits in enumerate(_compressed(columns, size))
            ]
        *settled, third, fourth = columns
        carry = third[0] & third[1]
        low = registered(Cat(*settled, _parity(third), _parity([*fourth, carry])), "low")

        # l - 16 as a signed number is l with its highest bit inverted.
        q = multiplier.p[_SHIFT : _SHIFT + 15]
        split = (q - (low ^ 16).as_signed())[:15]
        m.d.comb += [
            self.p0.eq(
                Cat(registered(low, "low_last"), registered(split[5:], "p0_high")).as_signed()
            ),
            self.p1.eq(
                Cat(
                    registered(multiplier.p[:_SHIFT], "p1_low"),
                    registered(split[:5] ^ 16, "p1_high"),
                ).as_signed()
            ),
        ]
        return m


def _compressed(columns: list[list[Value]], size: int) -> list[list[Value]]:
    """Each ``size`` bits of a column, 2 or 3, become a sum bit there and a carry in the next."""
    following: list[list[Value]] = [[] for _ in columns]
    for column, bits in enumerate(columns):
        for start in range(0, len(bits), size):
            group = bits[start : start + size]
            following[column].append(_parity(group))
            if len(group) > 1 and column + 1 < len(columns):
                pairs = [a & b for a, b in itertools.combinations(group, 2)]
                following[column + 1].append(Cat(*pairs).any())
    return following


def _parity(bits: list[Value]) -> Value:
    return Cat(*bits).xor()
