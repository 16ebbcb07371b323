# SPDX-License-Identifier: BSD-2-Clause
"""Two int8 products in one DSP block of iCE40 UltraPlus."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from . import family

#: Enabled cycles from operands to products.
LATENCY = 2


class DualMultiplier(wiring.Component):
    """``p0`` is ``a0 * b0`` and ``p1`` is ``a1 * b1``, ``LATENCY`` cycles of ``enable`` later.

    All registers hold while ``enable`` is low, and none is reset. Throughput one pair a cycle. On
    iCE40 it is one SB_MAC16, elsewhere logic of any kind.
    """

    def __init__(self) -> None:
        operand, product = signed(8), signed(16)
        super().__init__(
            {
                "enable": In(1),
                "a0": In(operand),
                "b0": In(operand),
                "a1": In(operand),
                "b1": In(operand),
                "p0": Out(product),
                "p1": Out(product),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if family(platform) == "ice40":
            m.submodules.mac16 = self._sb_mac16()
            return m
        for a, b, p in ((self.a0, self.b0, self.p0), (self.a1, self.b1, self.p1)):
            a_register = Signal.like(a, reset_less=True)
            b_register = Signal.like(b, reset_less=True)
            product = Signal.like(p, reset_less=True)
            with m.If(self.enable):
                m.d.sync += [a_register.eq(a), b_register.eq(b)]
                m.d.sync += product.eq(a_register * b_register)
            m.d.comb += p.eq(product)
        return m

    def _sb_mac16(self) -> Instance:
        """Lattice FPGA-TN-02007 (DSP Function Usage Guide for iCE40 Devices), configuration
        "mult_8x8_all_pipelined_signed": operands, and both products behind the multipliers, are
        registered; the adders, whose outputs nothing selects, and the cascade inputs are off.
        """
        registers = {"A": 1, "B": 1, "C": 0, "D": 0}
        zeros = ["IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "AHOLD", "BHOLD", "CHOLD", "DHOLD"]
        zeros += ["OHOLDTOP", "OHOLDBOT", "OLOADTOP", "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT"]
        zeros += ["CI", "ACCUMCI", "SIGNEXTIN"]
        adders: dict[str, Const] = {}
        for half in ("TOP", "BOT"):
            adders |= {
                f"p_{half}OUTPUT_SELECT": Const(2, 2),  # the half's 8x8 product
                f"p_{half}ADDSUB_LOWERINPUT": Const(0, 2),
                f"p_{half}ADDSUB_UPPERINPUT": Const(0, 1),
                f"p_{half}ADDSUB_CARRYSELECT": Const(0, 2),
                f"p_{half}_8x8_MULT_REG": Const(1, 1),
            }
        return Instance(
            "SB_MAC16",
            **{f"p_{name}_REG": Const(value, 1) for name, value in registers.items()},
            **adders,
            p_NEG_TRIGGER=Const(0, 1),
            # Without effect on 8x8 products, but part of the configuration.
            p_PIPELINE_16x16_MULT_REG1=Const(1, 1),
            p_PIPELINE_16x16_MULT_REG2=Const(0, 1),
            p_MODE_8x8=Const(1, 1),
            p_A_SIGNED=Const(1, 1),
            p_B_SIGNED=Const(1, 1),
            i_CLK=ClockSignal(),
            i_CE=self.enable,
            i_A=Cat(self.a0, self.a1),
            i_B=Cat(self.b0, self.b1),
            i_C=Const(0, 16),
            i_D=Const(0, 16),
            **{f"i_{name}": Const(0, 1) for name in zeros},
            o_O=Cat(self.p0, self.p1),
        )
