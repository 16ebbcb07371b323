# SPDX-License-Identifier: BSD-2-Clause
"""What ``celosia boards --json`` says of a board's surroundings."""

from __future__ import annotations

import json

import pytest

from celosia.cli.boards import board_record
from celosia_hw.boards import get_board
from celosia_hw.boards.registry import BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_record_is_json_and_says_what_the_board_says(name: str) -> None:
    board = get_board(name)
    record = json.loads(json.dumps(board_record(board)))
    assert record["device"] == board.device.name
    assert record["clock_mhz"] == board.clock_mhz
    assert record["array"] == "x".join(map(str, board.array))
    assert record["oscillator"]["mhz"] == board.oscillator.mhz
    assert record["flash_bytes"] == (board.flash.bytes if board.flash else None)


def test_serial_ports_and_leds() -> None:
    records = {name: board_record(get_board(name)) for name in BUILT_IN}
    assert records["icebreaker"]["uart"] == {"resource": "uart#0", "rx": None, "tx": None}
    assert records["upduino3"]["uart"] == {"resource": "uart#0", "rx": "15", "tx": "14"}
    assert records["orangecrab_85f"]["uart"]["rx"] == "io_0:0"
    assert records["up5k_evn"]["uart"]["tx"] == "j_2:18"
    assert records["upduino3"]["oscillator"] == {"mhz": 48, "tolerance": 0.1, "internal": True}
    assert records["icebreaker"]["leds"] == ["ready", "busy"]
    assert records["colorlight_5a_75b"]["leds"] == []
    assert records["ulx3s_12f"]["leds"] == ["ready", "busy", "error"]


def test_spi_and_flash() -> None:
    records = {name: board_record(get_board(name)) for name in BUILT_IN}
    assert records["icebreaker"]["spi"] == {
        "where": "PMOD1A, pins 1 to 4",
        "sck": "pmod_0:4",
        "cs_n": "pmod_0:1",
        "copi": "pmod_0:2",
        "cipo": "pmod_0:3",
    }
    assert records["colorlight_5a_75b"]["spi"] is None
    boots = {name for name, record in records.items() if record["boots_from_flash"]}
    assert {"icebreaker", "ulx3s_25f", "icesugar_pro"} <= boots
    assert not {"upduino3", "orangecrab_25f", "colorlight_5a_75b"} & boots
