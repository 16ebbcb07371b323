# SPDX-License-Identifier: BSD-2-Clause
"""Phase-locked loops: their settings for a frequency, and the primitives with these settings.

Formulas and ranges: Lattice FPGA-TN-02052 (iCE40 sysCLOCK PLL) with FPGA-DS-02008, and
FPGA-TN-02200 (ECP5 sysCLOCK PLL/DLL) with FPGA-DS-02012, as the tools icepll and ecppll have them;
but the phase detector of ECP5 gets 10 MHz or more, as the data sheet asks, where ecppll allows
3.125. Frequencies are exact fractions of MHz, so that a division that is exact stays so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

from amaranth.hdl import Const, Instance, IOPort, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class PllError(ValueError):
    """A frequency that the PLL cannot make."""


class _Settings(Protocol):
    @property
    def output_mhz(self) -> Fraction: ...
    @property
    def preference(self) -> tuple[Fraction, ...]: ...


_S = TypeVar("_S", bound=_Settings)


@dataclass(frozen=True, kw_only=True)
class Ice40PllSettings:
    """Dividers of an SB_PLL40 with the feedback path SIMPLE.

    Attributes:
        reference_mhz: frequency of the reference clock, 10 to 133 MHz.
        divr: reference divider less one, 0 to 15.
        divf: feedback divider less one, 0 to 127.
        divq: the output divider's power of two, 1 to 6.
    """

    reference_mhz: Fraction
    divr: int
    divf: int
    divq: int

    @property
    def pfd_mhz(self) -> Fraction:
        """Frequency at the phase detector."""
        return self.reference_mhz / (self.divr + 1)

    @property
    def vco_mhz(self) -> Fraction:
        """Frequency of the oscillator."""
        return self.pfd_mhz * (self.divf + 1)

    @property
    def output_mhz(self) -> Fraction:
        return self.vco_mhz / (1 << self.divq)

    @property
    def filter_range(self) -> int:
        """FILTER_RANGE, which follows from the frequency at the phase detector."""
        limits = (17, 26, 44, 66, 101)
        return 1 + sum(self.pfd_mhz >= limit for limit in limits)

    @property
    def preference(self) -> tuple[Fraction, ...]:
        """Of equal outputs the one with the fastest phase detector is best: it jitters least."""
        return (-self.pfd_mhz,)


@dataclass(frozen=True, kw_only=True)
class Ecp5PllSettings:
    """Dividers of an EHXPLLL whose feedback is its output CLKOP.

    Attributes:
        reference_mhz: frequency of the reference clock, 8 to 400 MHz.
        clki_div: reference divider, 1 to 128.
        clkfb_div: feedback divider, 1 to 80.
        clkop_div: divider of the output CLKOP, 1 to 128.
        clkos_div: divider of the output CLKOS, 1 to 128, if that is the clock; else CLKOP is.
    """

    reference_mhz: Fraction
    clki_div: int
    clkfb_div: int
    clkop_div: int
    clkos_div: int | None = None

    @property
    def pfd_mhz(self) -> Fraction:
        """Frequency at the phase detector."""
        return self.reference_mhz / self.clki_div

    @property
    def feedback_mhz(self) -> Fraction:
        """Frequency of CLKOP."""
        return self.pfd_mhz * self.clkfb_div

    @property
    def vco_mhz(self) -> Fraction:
        """Frequency of the oscillator."""
        return self.feedback_mhz * self.clkop_div

    @property
    def output_mhz(self) -> Fraction:
        return self.vco_mhz / (self.clkos_div or self.clkop_div)

    @property
    def preference(self) -> tuple[Fraction, ...]:
        """Of equal outputs the one with one output, then with its oscillator in mid-range."""
        return Fraction(self.clkos_div is not None), abs(self.vco_mhz - 600)


def ice40_pll(reference_mhz: float | Fraction, output_mhz: float | Fraction) -> Ice40PllSettings:
    """Settings for the nearest frequency that is not above ``output_mhz``.

    Raises:
        PllError: a frequency is out of range, or none within 5 % can be made.
    """
    reference, output = _exact(reference_mhz), _exact(output_mhz)
    _check_range("iCE40", "reference", reference, 10, 133)
    _check_range("iCE40", "output", output, 16, 275)

    def candidates() -> Iterator[Ice40PllSettings]:
        for divr in range(16):
            if not 10 <= reference / (divr + 1) <= 133:
                continue
            for divf in range(128):
                if not 533 <= reference / (divr + 1) * (divf + 1) <= 1066:
                    continue
                for divq in range(1, 7):
                    yield Ice40PllSettings(reference_mhz=reference, divr=divr, divf=divf, divq=divq)

    return _nearest("iCE40", candidates(), reference, output, lowest=16)


def ecp5_pll(reference_mhz: float | Fraction, output_mhz: float | Fraction) -> Ecp5PllSettings:
    """Settings for the nearest frequency that is not above ``output_mhz``.

    Raises:
        PllError: a frequency is out of range, or none within 5 % can be made.
    """
    reference, output = _exact(reference_mhz), _exact(output_mhz)
    _check_range("ECP5", "reference", reference, 8, 400)
    _check_range("ECP5", "output", output, 10, 400)

    def candidates() -> Iterator[Ecp5PllSettings]:
        for clki_div, clkfb_div in itertools.product(range(1, 129), range(1, 81)):
            pfd = reference / clki_div
            feedback = pfd * clkfb_div
            if not (10 <= pfd <= 400 and 10 <= feedback <= 400):
                continue
            for clkop_div in range(math.ceil(400 / feedback), math.floor(800 / feedback) + 1):
                clkos_div = math.ceil(feedback * clkop_div / output)
                yield Ecp5PllSettings(
                    reference_mhz=reference,
                    clki_div=clki_div,
                    clkfb_div=clkfb_div,
                    clkop_div=clkop_div,
                    clkos_div=clkos_div if clkos_div != clkop_div else None,
                )

    return _nearest("ECP5", candidates(), reference, output, lowest=10)


def _exact(mhz: float | Fraction) -> Fraction:
    """The number as it was written: 33.3 is 333/10."""
    return mhz if isinstance(mhz, Fraction) else Fraction(str(mhz))


def _check_range(family: str, what: str, mhz: Fraction, low: int, high: int) -> None:
    if not low <= mhz <= high:
        raise PllError(
            f"the {what} of the {family} PLL must be from {low} to {high} MHz, not {float(mhz):g}"
        )


def _nearest(
    family: str, candidates: Iterator[_S], reference: Fraction, output: Fraction, *, lowest: int
) -> _S:
    found = [settings for settings in candidates if settings.output_mhz >= lowest]
    below = [settings for settings in found if settings.output_mhz <= output]
    if below:
        best = min(below, key=lambda settings: (output - settings.output_mhz, settings.preference))
        if best.output_mhz >= output * Fraction(95, 100):
            return best
    near = sorted({settings.output_mhz for settings in found}, key=lambda f: abs(f - output))[:4]
    raise PllError(
        f"the {family} PLL makes no clock at or just below {float(output):g} MHz from "
        f"{float(reference):g} MHz; near are {', '.join(f'{float(f):.6g}' for f in sorted(near))}"
    )


class Ice40Pll(wiring.Component):
    """SB_PLL40_CORE, or SB_PLL40_PAD if the reference comes from ``pad``, the one pin that leads to
    the PLL directly (``reference`` is not used then: this pin has no other way into the FPGA).

    ``clock`` is on a global network; ``locked`` is asynchronous.
    """

    def __init__(self, settings: Ice40PllSettings, *, pad: IOPort | None = None) -> None:
        self.settings = settings
        self.pad = pad
        super().__init__({"reference": In(1), "clock": Out(1), "locked": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        settings = self.settings
        parameters = {
            "p_FEEDBACK_PATH": "SIMPLE",
            "p_PLLOUT_SELECT": "GENCLK",
            "p_DIVR": Const(settings.divr, 4),
            "p_DIVF": Const(settings.divf, 7),
            "p_DIVQ": Const(settings.divq, 3),
            "p_FILTER_RANGE": Const(settings.filter_range, 3),
            "i_RESETB": Const(1),
            "i_BYPASS": Const(0),
            "o_LOCK": self.locked,
            "o_PLLOUTGLOBAL": self.clock,
        }
        if self.pad is not None:
            m.submodules.pll = Instance("SB_PLL40_PAD", io_PACKAGEPIN=self.pad, **parameters)
        else:
            m.submodules.pll = Instance(
                "SB_PLL40_CORE", i_REFERENCECLK=self.reference, **parameters
            )
        return m


class Ecp5Pll(wiring.Component):
    """EHXPLLL with its output CLKOP as feedback. ``locked`` is asynchronous."""

    def __init__(self, settings: Ecp5PllSettings) -> None:
        self.settings = settings
        super().__init__({"reference": In(1), "clock": Out(1), "locked": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        settings = self.settings
        feedback = Signal()
        # A phase of half a period, as Lattice's own tool sets it.
        output = {
            "p_CLKOP_ENABLE": "ENABLED",
            "p_CLKOP_DIV": settings.clkop_div,
            "p_CLKOP_CPHASE": settings.clkop_div // 2,
            "p_CLKOP_FPHASE": 0,
            "p_OUTDIVIDER_MUXA": "DIVA",
            "o_CLKOP": feedback,
        }
        if settings.clkos_div is None:
            m.d.comb += self.clock.eq(feedback)
        else:
            output |= {
                "p_CLKOS_ENABLE": "ENABLED",
                "p_CLKOS_DIV": settings.clkos_div,
                "p_CLKOS_CPHASE": settings.clkos_div // 2,
                "p_CLKOS_FPHASE": 0,
                "p_OUTDIVIDER_MUXB": "DIVB",
                "o_CLKOS": self.clock,
            }
        m.submodules.pll = Instance(
            "EHXPLLL",
            # The loop filter, as ecppll sets it.
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_CLKI_DIV=settings.clki_div,
            p_CLKFB_DIV=settings.clkfb_div,
            p_FEEDBK_PATH="CLKOP",
            i_CLKI=self.reference,
            i_CLKFB=feedback,
            i_RST=Const(0),
            i_STDBY=Const(0),
            i_PHASESEL0=Const(0),
            i_PHASESEL1=Const(0),
            i_PHASEDIR=Const(1),
            i_PHASESTEP=Const(1),
            i_PHASELOADREG=Const(1),
            i_PLLWAKESYNC=Const(0),
            i_ENCLKOP=Const(0),
            o_LOCK=self.locked,
            **output,
        )
        return m
