# SPDX-License-Identifier: BSD-2-Clause
"""FlashPins: on each board its registers are in the pins, and each line is where it belongs."""

from __future__ import annotations

import gc
import re
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, IOPort, Module
from amaranth.lib import io
from amaranth.lib.wiring import connect

from celosia_hw.boards import get_board
from celosia_hw.boards.platform import load_platform
from celosia_hw.flash.pins import FlashPins, FlashPinsError
from celosia_hw.flash.reader import FlashReader

pytest.importorskip("amaranth_boards")


class Design(Elaboratable):
    """A reader on a board, with nobody who reads."""

    def __init__(self, pins: FlashPins) -> None:
        self.pins = pins

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain(reset_less=True)
        m.submodules.reader = reader = FlashReader(
            clock_mhz=24, quad=self.pins.quad, divider=self.pins.divider
        )
        m.submodules.pins = self.pins
        connect(m, reader.pins, self.pins.flash)
        return m


_MODULE = re.compile(r"^module \\top\.pins\.(\w+)\S*$(.*?)^end$", re.MULTILINE | re.DOTALL)
# Of a port with several bits, a buffer has one with its number.
_PORT = re.compile(r"^ *connect \S+ \\(?:spi_flash\w*__(\w+)__io|ioport\$\d+\$(\d)) ", re.MULTILINE)


def cells(
    board: str, resource: str, *, quad: bool, divider: int
) -> tuple[Counter[str], dict[str, str]]:
    """The primitives of a reader's design, and the resource's signals by the pins' buffers."""
    platform: Any = load_platform(get_board(board))
    ports = platform.request(resource, dir="-")
    plan = platform.prepare(Design(FlashPins(ports, quad=quad, divider=divider)), "top")
    design = str(plan.files["top.il"])
    wiring = {
        name: signal or f"dq{bit}"
        for name, body in _MODULE.findall(design)
        for signal, bit in _PORT.findall(body)
    }
    return Counter(re.findall(r"^ *cell \\(\w+) ", design, re.MULTILINE)), wiring


FOUR = {"cs": "cs", "dq0": "dq0", "dq1": "dq1", "dq2": "dq2", "dq3": "dq3"}
ALONE = {"cs": "cs", "dq0": "copi", "dq1": "cipo"}
WIRED = ALONE | {"dq2": "wp", "dq3": "hold"}


@pytest.mark.parametrize(
    ("board", "resource", "quad", "wiring"),
    [
        ("icebreaker", "spi_flash_4x", True, FOUR),
        ("icebreaker", "spi_flash_1x", True, WIRED),
        ("icebreaker", "spi_flash_1x", False, WIRED),
        ("icesugar", "spi_flash_4x", True, FOUR),
        ("upduino3", "spi_flash_1x", False, WIRED),
        ("up5k_evn", "spi_flash_1x", False, ALONE),
    ],
)
@pytest.mark.parametrize("divider", [1, 2])
def test_ice40(board: str, resource: str, quad: bool, wiring: dict[str, str], divider: int) -> None:
    counts, found = cells(board, resource, quad=quad, divider=divider)
    assert found == wiring | {"clk": "clk"}
    assert counts["SB_IO"] == len(found)
    # The register that the second half of a cycle comes from.
    assert counts["SB_DFF"] == (divider == 1)


@pytest.mark.parametrize(
    ("board", "resource", "quad", "wiring"),
    [
        ("ulx3s_25f", "spi_flash", True, WIRED),
        ("ulx3s_85f", "spi_flash", False, WIRED),
        ("orangecrab_25f", "spi_flash_4x", True, FOUR),
        ("ecpix5_85f", "spi_flash_4x", True, FOUR),
        ("icesugar_pro", "spi_flash_4x", True, FOUR),
        ("colorlight_5a_75b", "spi_flash", False, ALONE),
    ],
)
def test_ecp5(board: str, resource: str, quad: bool, wiring: dict[str, str]) -> None:
    counts, found = cells(board, resource, quad=quad, divider=2)
    assert found == wiring
    assert counts["USRMCLK"] == 1
    assert counts["ODDRX1F"] == 0
    # Registers of the chip select, and of the lines and their directions.
    lines = len(wiring) - 1
    assert counts["OFS1P3DX"] == 2 * (1 + lines if quad else lines)
    assert counts["BB" if quad else "IB"] == counts["IFS1P3DX"] == (4 if quad else 1)


@pytest.mark.parametrize(
    ("board", "resource", "quad", "divider", "message"),
    [
        ("up5k_evn", "spi_flash_1x", True, 1, "no signals for four lines"),
        ("colorlight_5a_75b", "spi_flash", True, 2, "no signals for four lines"),
        ("ulx3s_25f", "spi_flash", False, 1, "an ECP5's flash memory needs a divider of 2"),
    ],
)
@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_what_cannot_be(board: str, resource: str, quad: bool, divider: int, message: str) -> None:
    with pytest.raises(FlashPinsError, match=message):
        cells(board, resource, quad=quad, divider=divider)
    gc.collect()


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_no_clock() -> None:
    def port(name: str) -> io.SingleEndedPort:
        return io.SingleEndedPort(IOPort(1, name=name))

    ports = SimpleNamespace(cs=port("cs"), copi=port("copi"), cipo=port("cipo"))
    platform: Any = load_platform(get_board("icebreaker"))
    with pytest.raises(FlashPinsError, match="has no signal clk"):
        platform.prepare(Design(FlashPins(ports, quad=False)), "top")
    gc.collect()
