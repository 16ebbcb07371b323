# SPDX-License-Identifier: BSD-2-Clause
"""What is read from nextpnr's report and log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from celosia.toolchain.advice import path_ends
from celosia.toolchain.timing import Clock, Used, read_report, read_utilization

from .designs import Built


def step(kind: str, delay: float, net: str | None = None) -> dict[str, Any]:
    place = {"cell": "c", "port": "O", "loc": [1, 2]}
    return {"type": kind, "delay": delay, "from": place, "to": place} | (
        {"net": net} if net else {}
    )


def test_several_clocks_are_ordered_by_how_far_they_are(tmp_path: Path) -> None:
    steps = [step("clk-to-q", 1.5), step("routing", 2.0, "a"), step("setup", 0.5)]
    longer = [step("clk-to-q", 1.5), step("routing", 3.0, "b"), step("setup", 0.5)]
    record = {
        "fmax": {
            "slow": {"achieved": 20.0, "constraint": 12.0},
            "fast": {"achieved": 190.0, "constraint": 200.0},
            "unconnected": {"achieved": 50.0, "constraint": 50.0},
        },
        "critical_paths": [
            {"from": "posedge slow", "to": "posedge fast", "path": [*longer, *longer]},
            {"from": "<async>", "to": "posedge fast", "path": longer},
            {"from": "posedge fast", "to": "posedge fast", "path": steps},
            {"from": "posedge fast", "to": "negedge fast", "path": longer},
            {"from": "posedge slow", "to": "posedge slow", "path": steps},
            {"from": "posedge slow", "to": "posedge slow", "path": []},
        ],
        "utilization": {"ICESTORM_LC": {"used": 5000, "available": 5280}},
    }
    (tmp_path / "report.json").write_text(json.dumps(record))
    report = read_report(tmp_path / "report.json")
    assert [clock.net for clock in report.clocks] == ["fast", "unconnected", "slow"]
    assert [clock.met for clock in report.clocks] == [False, True, True]
    assert not report.met
    path = report.clocks[0].path
    assert path is not None
    assert (path.start_net, path.logic_ns, path.routing_ns, path.total_ns) == ("b", 2.0, 3.0, 5.0)
    assert report.clocks[1].path is None
    assert report.utilization == {"ICESTORM_LC": Used(5000, 5280)}


def test_the_longest_path_is_as_long_as_the_clock_is_slow(built: Built) -> None:
    report = read_report(built.folder / "report_seed1.json")
    (clock,) = report.clocks
    assert clock.path is not None
    assert clock.path.total_ns == pytest.approx(1000 / clock.achieved_mhz, rel=0.01)
    start, end = path_ends(clock.path, built.blocks)
    # Sums and products of the two stages and the memory: nothing of the top module.
    assert start.startswith("core")
    assert end.startswith("core")


def test_utilization_is_in_the_log_too(built: Built) -> None:
    report = read_report(built.folder / "report_seed1.json")
    log = (built.folder / "nextpnr_seed1.log").read_text()
    assert read_utilization(log) == report.utilization
    assert read_utilization("Info: nothing\nICESTORM_LC: 1/2 3%") == {}


def test_a_frequency_that_is_just_reached_is_met() -> None:
    assert Clock("clk", 24.0, 24.0, None).met
    assert not Clock("clk", 23.999, 24.0, None).met
