# SPDX-License-Identifier: BSD-2-Clause
"""Tables of benchmarks/boards.py say what was met, and no more."""

from __future__ import annotations

from typing import Any

from benchmarks.board_tables import board_tables, met_clock


def record(array: str, clock: float, fmax: dict[str, float], cells: int) -> dict[str, Any]:
    rows, lanes = map(int, array.split("x"))
    counted = {"used": cells, "available": 5280}
    return {
        "date": "2026-01-01",
        "array": array,
        "macs_per_cycle": rows * lanes,
        "clock_mhz": clock,
        "required_mhz": clock,
        "met": max(fmax.values(), default=0) >= clock,
        "fmax_mhz": fmax,
        "unrouted": [],
        "resources": dict.fromkeys(("logic_cells", "ff", "bram", "dsp"), counted),
        "tools": {"yosys": "1.0"},
        "seconds": {"total": 200.0},
        "machine": "2 processors",
    }


def results() -> dict[str, Any]:
    five = {"1": 23.0, "2": 24.0, "3": 25.0, "4": 26.0, "5": 30.5}
    return {
        "builds": {
            "up5k": {
                "24": record("4x4", 24, five, 4100),
                "36": record("4x4", 36, {str(seed): 35.9 for seed in range(1, 6)}, 4100),
            },
            "85f": {
                "110": record("16x16", 110, {"1": 99.0}, 20_000),
                "96": record("16x16", 96, {"1": 97.5}, 20_000),
                "80": record("16x16", 80, {"1": 99.5}, 20_000),
            },
        },
        "cycles": {
            "up5k": {
                "kws_ref_model": {"cycles": 240_000, "weights": "on chip"},
                "ad01_int8": {"cycles": 528_000, "weights": "streamed"},
            },
            "85f": {
                "kws_ref_model": {"cycles": 24_000, "weights": "on chip"},
                "ad01_int8": {"error": "too large"},
            },
        },
    }


def test_the_goals_are_compared_with_what_was_built() -> None:
    text = board_tables(results())
    for line in (
        "| UP5K, 16 MAC/cycle: logic cells | **4,100** | 5,100 yes | 4,000 no |",
        "| UP5K, 16 MAC/cycle: seeds that meet 24 MHz (required) | **4 of 5** | 4 of 5 yes |  |",
        "| UP5K, 16 MAC/cycle: seeds that meet 36 MHz (aim) | **0 of 5** |  | 4 of 5 no |",
        "| ECP5-85F, speed 6, 256 MAC/cycle: clock in MHz | **96** | 80 yes | 110 no |",
        "| ECP5-85F: int8 MAC/cycle with timing met | **256** | 128 yes | 312 no |",
    ):
        assert line in text, line
    assert "ECP5-25F, speed 6" not in text


def test_latency_is_at_the_clock_that_is_met() -> None:
    lines = board_tables(results()).splitlines()
    (row,) = (line for line in lines if "`kws_ref_model`" in line)
    assert row.endswith("| **10** (240,000) | **0.25** (24,000) |")
    (row,) = (line for line in lines if "`ad01_int8`" in line)
    assert row.endswith("| * | does not fit |")


def test_seeds_that_are_not_routed_count() -> None:
    wanted = results()
    record = wanted["builds"]["up5k"]["24"]
    record["fmax_mhz"].pop("3")
    record["unrouted"] = [3]
    text = board_tables(wanted)
    assert "(required) | **3 of 5** | 4 of 5 no |" in text
    assert "| UP5K, 4x4 | 24 | 23 (missed), 24, not routed, 26, 30.5 |" in text


def test_what_misses_its_clock_is_shown_as_such() -> None:
    wanted = results()
    wanted["builds"]["25f"] = {"70": record("8x4", 70, {"1": 61.0}, 9000)}
    wanted["builds"]["up5k"]["24"] = record("4x4", 24, {}, 6000)
    assert met_clock(wanted["builds"]["25f"]) is None
    text = board_tables(wanted)
    assert "| ECP5-25F, 8x4 | 70 | 61 (missed) |" in text
    assert "| UP5K, 4x4 | 24 | does not fit | 6,000 of 5,280 |" in text
    assert "ECP5-25F, 8x4, 70 MHz" not in text
    assert "meet 24 MHz (required) | **0 of 0** | 4 of 5 no |" in text
    assert "UP5K: seconds" not in text
