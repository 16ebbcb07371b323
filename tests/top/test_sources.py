# SPDX-License-Identifier: BSD-2-Clause
"""Sources of every board: its pins and clocks, and what must not be in them."""

from __future__ import annotations

import builtins
import dataclasses
import re
import sys
from fractions import Fraction

import pytest

from celosia_hw.boards import Board, BoardError, get_board
from celosia_hw.boards.clock import choose_clock
from celosia_hw.boards.parts import Led, Leds, Oscillator, Pin, Uart
from celosia_hw.boards.registry import BUILT_IN
from celosia_hw.config import AcceleratorConfig
from celosia_hw.core import LinkKind
from celosia_hw.link.uart import BaudRateError
from celosia_hw.top import BoardSources, board_sources

pytest.importorskip("amaranth_boards")

CONFIG = AcceleratorConfig(
    output_channels=2,
    input_channels=2,
    chain_rows=2,
    scratch_bytes=4096,
    weight_depth=64,
    parameter_depth=16,
)
#: The pins of each board's clock, serial port and LEDs, from its maker's documents: input,
#: output, then what else is driven.
PINS = {
    "icebreaker": {"35", "6", "9", "11", "37"},
    "upduino3": {"15", "14", "16", "39", "40", "41"},
    "icesugar": {"35", "4", "6", "39", "40", "41"},
    "up5k_evn": {"35", "6", "9", "39", "40", "41"},
    "ulx3s_12f": {"G2", "M1", "L4", "L2", "B2", "C2", "C1"},
    "orangecrab_25f": {"A9", "N17", "M18", "K4", "M3", "J3"},
    "ecpix5_45f": {"K23", "AB1", "R26", "R24", "R21", "T24", "K21"},
    "icesugar_pro": {"P6", "A9", "B9", "A11", "A12", "B11"},
    "colorlight_5a_75b": {"P6", "M13", "P11"},
}
for _same, _as in (
    ("ulx3s_25f", "ulx3s_12f"),
    ("ulx3s_45f", "ulx3s_12f"),
    ("ulx3s_85f", "ulx3s_12f"),
    ("orangecrab_85f", "orangecrab_25f"),
    ("ecpix5_85f", "ecpix5_45f"),
):
    PINS[_same] = PINS[_as]


#: Those of the flash memory, where a design can read it: on ECP5 without the clock, which has a
#: way of its own.
FLASH_PINS = {
    "icebreaker": {"16", "15", "14", "17", "12", "13"},
    "icesugar": {"16", "15", "14", "17", "12", "13"},
    "up5k_evn": {"16", "15", "14", "17"},
    "ulx3s_12f": {"R2", "W2", "V2", "W1", "Y2"},
    "ecpix5_45f": {"AA2", "AE2", "AD2", "AF2", "AE1"},
    "icesugar_pro": {"N8", "T8", "T7", "M7", "N7"},
}
#: Those of a link over SPI, and then of the LEDs and what else is driven.
SPI_PINS = {
    "icebreaker": {"4", "2", "47", "45"},
    "upduino3": {"23", "25", "26", "27"},
    "icesugar": {"46", "44", "42", "37"},
    "up5k_evn": {"27", "26", "32", "31"},
    "ulx3s_12f": {"B11", "A10", "A9", "B9"},
    "orangecrab_25f": {"B10", "N15", "N16", "R17"},
    "ecpix5_45f": {"T25", "U25", "U24", "V24"},
}
for table in (FLASH_PINS, SPI_PINS):
    for _same, _as in (
        ("ulx3s_25f", "ulx3s_12f"),
        ("ulx3s_45f", "ulx3s_12f"),
        ("ulx3s_85f", "ulx3s_12f"),
        ("orangecrab_85f", "orangecrab_25f"),
        ("ecpix5_85f", "ecpix5_45f"),
    ):
        if _as in table:
            table[_same] = table[_as]


def ports(sources: BoardSources) -> set[str]:
    """The names of the top module's ports."""
    top = re.search(r"^module \\top$.*?^end$", sources.design, re.MULTILINE | re.DOTALL)
    assert top is not None
    pattern = r"^  wire width (\d+) (?:input|output|inout) \d+ +\\(\S+)$"
    found = re.findall(pattern, top[0], re.MULTILINE)
    return {
        f"{name}[{bit}]" if width != "1" else name
        for width, name in found
        for bit in range(int(width))
    }


def places(sources: BoardSources) -> dict[str, str]:
    """Pin by port."""
    pattern = (
        r"^set_io (\S+) (\S+)$"
        if sources.family == "ice40"
        else r'^LOCATE COMP "(\S+)" SITE "(\S+)";$'
    )
    return dict(re.findall(pattern, sources.constraints, re.MULTILINE))


def clocks(sources: BoardSources) -> dict[str, float]:
    """Frequency in MHz by port or net."""
    if sources.family == "ice40":
        found = re.findall(r"^set_frequency (\S+) (\S+)$", sources.constraints, re.MULTILINE)
        return {name: float(mhz) for name, mhz in found}
    pattern = r'^FREQUENCY (?:NET|PORT) "(\S+)" (\S+) HZ;$'
    found = re.findall(pattern, sources.constraints, re.MULTILINE)
    return {name: float(hertz) / 1e6 for name, hertz in found}


def test_every_board_of_ours_is_tested() -> None:
    assert set(PINS) == set(BUILT_IN)


@pytest.mark.parametrize("name", PINS)
def test_sources(name: str) -> None:
    board = get_board(name)
    sources = board_sources(board, CONFIG, board.clock_mhz)
    pins = PINS[name] | FLASH_PINS.get(name, set())
    assert set(places(sources)) == ports(sources)
    assert set(places(sources).values()) == pins
    assert len(places(sources)) == len(pins)
    offset = board.flash.data_offset if board.flash and name in FLASH_PINS else None
    assert sources.flash_offset == offset

    assert sources.family == board.family
    assert sources.clock_mhz == board.clock_mhz
    assert sources.oscillator_mhz == board.oscillator.mhz
    assert sources.fmax_mhz == pytest.approx(board.clock_mhz * (1 + board.oscillator.tolerance))
    assert abs(sources.baud_rate / 1e6 - 1) <= 0.02
    expected = {"clock.clock": sources.fmax_mhz}
    if not board.oscillator.internal:
        expected[f"{board.oscillator.resource}_0__io"] = board.oscillator.mhz
    assert clocks(sources) == pytest.approx(expected)

    # Memories without contents, but memories; names of blocks, but no file of this machine.
    assert "$meminit" not in sources.design
    assert re.search(r"^ +memory width ", sources.design, re.MULTILINE) or "SPRAM" in sources.design
    assert re.search(r"cell \\top\.core\.accelerator ", sources.design)
    assert ".py" not in sources.design


@pytest.mark.parametrize("name", PINS)
def test_without_flash(name: str) -> None:
    board = get_board(name)
    sources = board_sources(board, CONFIG, board.clock_mhz, flash=False)
    assert set(places(sources).values()) == PINS[name]
    assert sources.flash_offset is None
    if name not in FLASH_PINS:
        with pytest.raises(BoardError, match="a design cannot read its flash memory"):
            board_sources(board, CONFIG, board.clock_mhz, flash=True)


@pytest.mark.parametrize("name", PINS)
def test_spi(name: str) -> None:
    board = get_board(name)
    if name not in SPI_PINS:
        with pytest.raises(BoardError, match="no pins for SPI are known; use the serial port"):
            board_sources(board, CONFIG, board.clock_mhz, link=LinkKind.SPI)
        return
    sources = board_sources(board, CONFIG, board.clock_mhz, link=LinkKind.SPI, flash=False)
    uart = set(places(board_sources(board, CONFIG, board.clock_mhz, flash=False)).values())
    pins = set(places(sources).values())
    assert set(places(sources)) == ports(sources)
    # Two pins of the serial port have gone.
    assert pins >= SPI_PINS[name]
    assert pins - SPI_PINS[name] < uart
    assert len(pins) == len(uart) + 2


def test_the_same_texts_for_the_same_arguments() -> None:
    board = get_board("icebreaker")
    assert board_sources(board, CONFIG, 30) == board_sources(board, CONFIG, 30)
    assert board_sources(board, CONFIG, 30) != board_sources(board, CONFIG, 36)


@pytest.mark.parametrize(
    ("name", "clock_mhz", "cells"),
    [
        ("icebreaker", 12, {"SB_GB_IO"}),
        ("icebreaker", 36, {"SB_PLL40_PAD"}),
        ("upduino3", 24, {"SB_HFOSC"}),
        ("upduino3", 20, {"SB_HFOSC", "SB_PLL40_CORE"}),
        ("ulx3s_25f", 25, set()),
        ("ulx3s_25f", 80, {"EHXPLLL"}),
        ("orangecrab_25f", 75, {"EHXPLLL"}),
    ],
)
def test_how_the_clock_is_made(name: str, clock_mhz: float, cells: set[str]) -> None:
    design = board_sources(get_board(name), CONFIG, clock_mhz).design
    found = set(re.findall(r"cell \\(SB_GB_IO|SB_HFOSC|SB_PLL40\w+|EHXPLLL) ", design))
    assert found == cells


def test_pll_settings_reach_the_primitive() -> None:
    design = board_sources(get_board("icebreaker"), CONFIG, 36).design
    values = dict(re.findall(r"parameter \\(DIV[RFQ]|FILTER_RANGE) (\S+)", design))
    assert values == {
        "DIVR": "4'0000",
        "DIVF": "7'0101111",
        "DIVQ": "3'100",
        "FILTER_RANGE": "3'001",
    }
    design = board_sources(get_board("ulx3s_25f"), CONFIG, 80).design
    values = dict(re.findall(r"parameter \\(CLK\w+_DIV) (\d+)$", design, re.MULTILINE))
    assert values == {"CLKI_DIV": "1", "CLKFB_DIV": "1", "CLKOP_DIV": "16", "CLKOS_DIV": "5"}


@pytest.mark.parametrize(
    ("name", "asked", "made"),
    [
        ("icebreaker", 50, 49.5),
        ("icebreaker", 12, 12),
        ("upduino3", 6, 6),
        ("ulx3s_85f", 99.9, 98.4375),
    ],
)
def test_the_clock_is_the_nearest_that_is_not_above(name: str, asked: float, made: float) -> None:
    choice = choose_clock(get_board(name), asked)
    assert choice.mhz == Fraction(str(made))


@pytest.mark.parametrize(
    ("name", "clock_mhz", "message"),
    [
        ("icebreaker", 15, r"'icebreaker': .* must be from 16 to 275 MHz, not 15 \(12 MHz work"),
        ("upduino3", 7, r"'upduino3': .* not 7 \(48 or 24 or 12 or 6 MHz work without the PLL\)"),
        ("ulx3s_85f", 500, r"'ulx3s_85f': .* must be from 10 to 400 MHz, not 500 \(25 MHz work"),
    ],
)
def test_a_clock_that_cannot_be_made(name: str, clock_mhz: float, message: str) -> None:
    with pytest.raises(BoardError, match=message):
        board_sources(get_board(name), CONFIG, clock_mhz)


def test_a_baud_rate_that_does_not_divide() -> None:
    board = get_board("icebreaker")
    with pytest.raises(BaudRateError, match="24 MHz cannot be divided to 3,200,000 baud"):
        board_sources(board, CONFIG, 24, baud_rate=3_200_000)
    slow = board_sources(board, CONFIG, 24, baud_rate=115_200)
    assert slow.baud_rate == pytest.approx(115_200, rel=0.002)


def changed(**changes: object) -> Board:
    return dataclasses.replace(get_board("ulx3s_85f"), name="mine", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("board", "message"),
    [
        (changed(platform="absent_package.x:Y"), "needs the module absent_package, .*install the"),
        (changed(platform="amaranth_boards.ulx3s:Absent"), "cannot be loaded: AttributeError"),
        (changed(platform="builtins:dict"), "builtins:dict is not an Amaranth platform"),
        (
            changed(platform="amaranth_boards.ulx3s:ULX3S_25F_Platform"),
            "its device is 'LFE5U-85F', but .* is for 'LFE5U-25F'",
        ),
        (changed(speed="8"), "its speed is '8', but .* is for '6'"),
        (changed(oscillator=Oscillator(resource="clk25", mhz=24)), "its oscillator has 24 MHz"),
        (changed(uart=Uart(resource="rs232")), "Resource rs232#0 does not exist"),
        (changed(uart=Uart(resource="led")), "has no signal 'rx'"),
        (
            changed(uart=Uart(rx=Pin(name="A1"), tx=Pin(name="A2"))),
            "resource uart 0 .* has the same name and number",
        ),
        (
            changed(
                uart=Uart(resource="mine", rx=Pin(name="0+", connector=("x", 0)), tx=Pin(name="A"))
            ),
            "nonexistent connector pin x_0:0",
        ),
        (changed(leds=Leds(busy=Led(resource="led", number=9))), "Resource led#9 does not exist"),
        (changed(leds=Leds(busy=Led(resource="hdmi", signal="x"))), "'hdmi' has no signal 'x'"),
        (changed(held_high=(Pin(name="B2"),)), "uses physical pin B2, but it is already used"),
    ],
)
def test_a_board_that_its_platform_does_not_fit(board: Board, message: str) -> None:
    with pytest.raises(BoardError, match=f"board 'mine': .*{message}"):
        board_sources(board, CONFIG, 75)


def test_without_amaranth_boards_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == "amaranth_boards":
            monkeypatch.delitem(sys.modules, name)
    plain = builtins.__import__

    def absent(name: str, *arguments: object, **options: object) -> object:
        if name.partition(".")[0] == "amaranth_boards":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return plain(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(BoardError, match=r'is not installed: pip install "celosia\[build\]"'):
        board_sources(get_board("icebreaker"), CONFIG, 24)
