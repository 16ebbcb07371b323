# SPDX-License-Identifier: BSD-2-Clause
"""How a board makes the clock that is asked for, and the domain with that clock and its reset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Instance,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ..primitives.pll import (
    Ecp5Pll,
    Ecp5PllSettings,
    Ice40Pll,
    Ice40PllSettings,
    PllError,
    ecp5_pll,
    ice40_pll,
)
from .board import Board, BoardError
from .platform import BoardPins

#: Powers of two that the oscillator of an iCE40 UltraPlus is divided by.
_INTERNAL_DIVIDERS = range(4)
#: Block RAM of iCE40 reads as zero for some microseconds after configuration, a time that nothing
#: tells the end of; Amaranth's platform waits 15 us for it as well. The internal oscillator takes
#: up to 100 us to be stable (FPGA-DS-02008).
_ICE40_RESET_US = 15
_INTERNAL_RESET_US = 100
_ECP5_RESET_CYCLES = 16


@dataclass(frozen=True, kw_only=True)
class ClockChoice:
    """A clock and how it is made.

    Attributes:
        mhz: its frequency.
        pll: settings of the PLL; None if the oscillator is the clock.
        divider: power of two that the FPGA's own oscillator is divided by before that.
    """

    mhz: Fraction
    pll: Ice40PllSettings | Ecp5PllSettings | None = None
    divider: int = 0


def choose_clock(board: Board, clock_mhz: float) -> ClockChoice:
    """The nearest clock that is not above ``clock_mhz``.

    Raises:
        BoardError: the board cannot make one within 5 % of it.
    """
    wanted = Fraction(str(clock_mhz))
    oscillator = Fraction(str(board.oscillator.mhz))
    dividers = _INTERNAL_DIVIDERS if board.oscillator.internal else range(1)
    for divider in dividers:
        if oscillator / (1 << divider) == wanted:
            return ClockChoice(mhz=wanted, divider=divider)
    try:
        settings: Ice40PllSettings | Ecp5PllSettings
        if board.family == "ice40":
            settings = ice40_pll(oscillator, wanted)
        else:
            settings = ecp5_pll(oscillator, wanted)
    except PllError as error:
        direct = " or ".join(f"{float(oscillator / (1 << divider)):g}" for divider in dividers)
        raise BoardError(
            f"board {board.name!r}: {error} ({direct} MHz work without the PLL)"
        ) from error
    return ClockChoice(mhz=settings.output_mhz, pll=settings)


def fastest_mhz(board: Board, choice: ClockChoice) -> Fraction:
    """What the clock may be at most, since an oscillator may be faster than it says."""
    return choice.mhz * (1 + Fraction(str(board.oscillator.tolerance)))


class PowerOnReset(wiring.Component):
    """A reset that is high from configuration on, and goes low when ``hold``, which need not be
    synchronous, was low for ``2 ** bits`` cycles; 3 more pass on the way.

    Nothing in here is reset, but by configuration.
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits
        super().__init__({"hold": In(1), "reset": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = Signal(init=1, reset_less=True)
        m.submodules.synchronizer = FFSynchronizer(self.hold, held, init=1)
        timer = Signal(self.bits + 1, reset_less=True)
        reset = Signal(init=1, reset_less=True)
        m.d.sync += reset.eq(~timer[-1])
        m.d.comb += self.reset.eq(reset)
        with m.If(held):
            m.d.sync += timer.eq(0)
        with m.Elif(~timer[-1]):
            m.d.sync += timer.eq(timer + 1)
        return m


class ClockAndReset(wiring.Component):
    """Drives the domain ``sync``, which the parent declares, from the board's oscillator.

    The domain is in reset until the PLL has locked and then for some microseconds (iCE40) or cycles
    (ECP5); so it is when the button was pressed that the platform names as its reset.
    """

    def __init__(self, board: Board, pins: BoardPins, choice: ClockChoice) -> None:
        self.board = board
        self.pins = pins
        self.choice = choice
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Its name must survive synthesis, for the constraint.
        clock = Signal(name="clock", attrs={"keep": 1})
        locked: Signal | Const = Const(1)
        pll = self.choice.pll
        if isinstance(pll, Ice40PllSettings):
            pad = self.pins.oscillator.io if self.pins.pll_pad else None
            m.submodules.pll = ice40 = Ice40Pll(pll, pad=pad)
            if pad is None:
                m.d.comb += ice40.reference.eq(self._oscillator(m))
            m.d.comb += clock.eq(ice40.clock)
            locked = ice40.locked
        elif isinstance(pll, Ecp5PllSettings):
            m.submodules.pll = ecp5 = Ecp5Pll(pll)
            m.d.comb += [ecp5.reference.eq(self._oscillator(m)), clock.eq(ecp5.clock)]
            locked = ecp5.locked
        else:
            m.d.comb += clock.eq(self._oscillator(m))
        fastest = fastest_mhz(self.board, self.choice)
        platform.add_clock_constraint(clock, float(fastest * 1_000_000))
        m.d.comb += ClockSignal().eq(clock)

        m.domains.power_on = ClockDomain(reset_less=True, local=True)
        m.d.comb += ClockSignal("power_on").eq(clock)
        power_on = PowerOnReset(self._reset_bits())
        m.submodules.power_on = DomainRenamer("power_on")(power_on)
        m.d.comb += [power_on.hold.eq(~locked), ResetSignal().eq(power_on.reset)]
        if self.pins.reset is not None:
            m.submodules.button = button = io.Buffer("i", self.pins.reset)
            m.d.comb += power_on.hold.eq(~locked | button.i)
        return m

    def _reset_bits(self) -> int:
        cycles: Fraction | int = _ECP5_RESET_CYCLES
        if self.board.family == "ice40":
            internal = self.board.oscillator.internal
            cycles = self.choice.mhz * (_INTERNAL_RESET_US if internal else _ICE40_RESET_US)
        return math.ceil(math.log2(cycles))

    def _oscillator(self, m: Module) -> Signal:
        if self.pins.oscillator is not None:
            m.submodules.oscillator = buffer = io.Buffer("i", self.pins.oscillator)
            return buffer.i
        output = Signal()
        m.submodules.oscillator = Instance(
            "SB_HFOSC",
            p_CLKHF_DIV=f"0b{self.choice.divider:02b}",
            i_CLKHFEN=Const(1),
            i_CLKHFPU=Const(1),
            o_CLKHF=output,
        )
        return output
