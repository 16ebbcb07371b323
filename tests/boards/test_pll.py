# SPDX-License-Identifier: BSD-2-Clause
"""PLL settings: in range, nearest, and what icepll and ecppll find."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from celosia.errors import ToolError
from celosia.toolchain.execute import run_checked
from celosia.toolchain.tools import find_tool
from celosia_hw.primitives.pll import PllError, ecp5_pll, ice40_pll

ICE40_OUTPUTS = [16.5, 17, 18.3, 20, 24, 25.175, 27, 30, 33.3, 36, 40, 44.1, 48, 50.2, 60, 100, 275]
ECP5_OUTPUTS = [10, 12.288, 25, 33.3, 48, 50, 62.5, 70, 75, 80, 88.7, 96, 100, 110, 123.4, 200, 400]


@pytest.mark.parametrize("reference", [10, 12, 16, 25, 48, 50, 100, 133])
@pytest.mark.parametrize("output", ICE40_OUTPUTS)
def test_ice40_settings_are_in_range_and_the_nearest(reference: float, output: float) -> None:
    settings = ice40_pll(reference, output)
    assert 0 <= settings.divr <= 15
    assert 0 <= settings.divf <= 127
    assert 1 <= settings.divq <= 6
    pfd = Fraction(reference) / (settings.divr + 1)
    vco = pfd * (settings.divf + 1)
    assert 10 <= pfd <= 133
    assert 533 <= vco <= 1066
    assert settings.output_mhz == vco / 2**settings.divq
    wanted = Fraction(str(output))
    assert wanted * Fraction(95, 100) <= settings.output_mhz <= wanted
    for divr in range(16):
        for divf in range(128):
            vco = Fraction(reference) / (divr + 1) * (divf + 1)
            if reference / (divr + 1) < 10 or not 533 <= vco <= 1066:
                continue
            for divq in range(1, 7):
                assert not settings.output_mhz < vco / 2**divq <= wanted


@pytest.mark.parametrize("reference", [8, 12, 25, 48, 100, 400])
@pytest.mark.parametrize("output", ECP5_OUTPUTS)
def test_ecp5_settings_are_in_range(reference: float, output: float) -> None:
    if reference == 8:
        # The phase detector needs 10 MHz, so that this reference makes nothing.
        with pytest.raises(PllError, match="no clock at or just below"):
            ecp5_pll(reference, output)
        return
    settings = ecp5_pll(reference, output)
    assert 1 <= settings.clki_div <= 128
    assert 1 <= settings.clkfb_div <= 80
    assert 1 <= settings.clkop_div <= 128
    assert settings.clkos_div is None or 1 <= settings.clkos_div <= 128
    pfd = Fraction(reference) / settings.clki_div
    vco = pfd * settings.clkfb_div * settings.clkop_div
    assert 10 <= pfd <= 400
    assert 10 <= pfd * settings.clkfb_div <= 400
    assert 400 <= vco <= 800
    divider = settings.clkop_div if settings.clkos_div is None else settings.clkos_div
    assert settings.output_mhz == vco / divider
    wanted = Fraction(str(output))
    assert wanted * Fraction(95, 100) <= settings.output_mhz <= wanted


@pytest.mark.parametrize(
    ("make", "reference", "output", "message"),
    [
        (ice40_pll, 9, 24, "the reference of the iCE40 PLL must be from 10 to 133 MHz, not 9"),
        (ice40_pll, 12, 15, "the output of the iCE40 PLL must be from 16 to 275 MHz, not 15"),
        (ice40_pll, 12, 276, "output of the iCE40 PLL must be from 16 to 275 MHz, not 276"),
        (ice40_pll, 12, 16, "just below 16 MHz from 12 MHz; near are 16.125, 16.3125, 16.5"),
        (ecp5_pll, 7, 24, "the reference of the ECP5 PLL must be from 8 to 400 MHz, not 7"),
        (ecp5_pll, 25, 9.9, "the output of the ECP5 PLL must be from 10 to 400 MHz, not 9.9"),
        (ecp5_pll, 25, 401, "the output of the ECP5 PLL must be from 10 to 400 MHz, not 401"),
    ],
)
def test_what_cannot_be_made(make: object, reference: float, output: float, message: str) -> None:
    assert callable(make)
    with pytest.raises(PllError, match=message):
        make(reference, output)


def test_exact_frequencies_stay_exact() -> None:
    assert ice40_pll(12, 24).output_mhz == 24
    assert ice40_pll(12, 30).output_mhz == 30
    assert ice40_pll(12, 16.3125).output_mhz == Fraction("16.3125")
    for output in (70, 75, 80, 100, 110):
        assert ecp5_pll(25, output).output_mhz == output
    # A third of a hundred is no finite decimal.
    assert ecp5_pll(Fraction(100, 3), Fraction(200, 3)).output_mhz == Fraction(200, 3)


def run_tool(folder: Path, name: str, *arguments: str) -> str:
    """What icepll or ecppll prints."""
    try:
        tool = find_tool(name)
    except ToolError as error:
        pytest.skip(str(error))
    return run_checked(tool, arguments, folder=folder, log=f"{name}.log").output


def number(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    assert match is not None, text
    return float(match[1])


@pytest.mark.parametrize("reference", [12, 48])
@pytest.mark.parametrize("output", ICE40_OUTPUTS[::2])
def test_icepll_agrees(reference: float, output: float, tmp_path: Path) -> None:
    settings = ice40_pll(reference, output)
    made = float(settings.output_mhz)
    nearest = number(
        r"F_PLLOUT: +([\d.]+) MHz \(achieved\)",
        run_tool(tmp_path, "icepll", "-i", str(reference), "-o", str(output)),
    )
    # icepll takes the nearest, if need be above.
    assert abs(nearest - output) <= output - made + 0.001
    assert nearest > output or nearest == pytest.approx(made, abs=0.001)
    # Asked for what we make, it sets the same.
    text = run_tool(tmp_path, "icepll", "-i", str(reference), "-o", f"{made:.9f}")
    assert number(r"\(requested\)\nF_PLLOUT: +([\d.]+)", text) == pytest.approx(made, abs=0.001)
    assert number(r"F_PFD: +([\d.]+)", text) == pytest.approx(float(settings.pfd_mhz), abs=0.001)
    assert number(r"FILTER_RANGE: (\d)", text) == settings.filter_range


@pytest.mark.parametrize("reference", [25, 48, 100])
@pytest.mark.parametrize("output", ECP5_OUTPUTS[::2])
def test_ecppll_agrees(reference: float, output: float, tmp_path: Path) -> None:
    settings = ecp5_pll(reference, output)
    made = float(settings.output_mhz)
    options = ["-i", str(reference), "--clkout0", f"{made:.9f}"]
    highres = [] if settings.clkos_div is None else ["--highres"]
    text = run_tool(tmp_path, "ecppll", *options, *highres)
    channel = 0 if settings.clkos_div is None else 1
    frequency = number(rf"clkout{channel} frequency: ([\d.]+) MHz", text)
    assert frequency == pytest.approx(made, rel=1e-5)
    # With one output there is no choice but the oscillator's, and it takes the same.
    if settings.clkos_div is None:
        assert number(r"VCO frequency: ([\d.]+)", text) == pytest.approx(float(settings.vco_mhz))
