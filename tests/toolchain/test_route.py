# SPDX-License-Identifier: BSD-2-Clause
"""Routing that does not come to an end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from celosia.toolchain.route import DoesNotFitError, route
from celosia.toolchain.timing import Used
from celosia.toolchain.tools import Tool

from .designs import sources_of

#: Stands in for nextpnr: tells how full the device is, and how many arcs remain every 1,000
#: iterations; writes the report that it is asked for if that ends.
NEXTPNR = """
import json, sys
print("Info:            ICESTORM_LC:  5155/  5280    97%")
print("Info:    IterCnt |  w/ripup   wo/ripup |  w/r  wo/r |      arcs| batch(sec) total(sec)|")
for number, remaining in enumerate(eval(sys.argv[1]), 1):
    row = f"{1000 * number:10} | {7:8} {9:10} | {3:4} {5:5} | {remaining:9}|"
    print("Info: " + row + "       3.05       3.05|")
report = {"critical_paths": [], "fmax": {}, "utilization": {}}
with open(sys.argv[sys.argv.index("--report") + 1], "w") as file:
    json.dump(report, file)
"""


def nextpnr(remaining: str) -> Tool:
    """A tool that shows these numbers of remaining arcs."""
    return Tool("nextpnr", (sys.executable, "-c", NEXTPNR, remaining), "native", "1")


def test_a_router_that_goes_round_in_circles_is_given_up(tmp_path: Path) -> None:
    endless = "__import__('itertools').cycle([1900, 1802, 1850])"
    with pytest.raises(DoesNotFitError) as caught:
        route(nextpnr(endless), sources_of("ice40"), tmp_path, 1)
    assert caught.value.crowded
    assert caught.value.utilization == {"ICESTORM_LC": Used(5155, 5280)}
    rows = (tmp_path / "nextpnr_seed1.log").read_text().splitlines()[3:]
    # 1,802 is reached after 2,000 iterations, and not undercut in the 100,000 that follow.
    assert len(rows) == 102


def test_a_router_that_gets_on_slowly_is_left_alone(tmp_path: Path) -> None:
    slow = "[left + extra for left in (30, 20, 10, 0) for extra in [0] + [5] * 99]"
    assert route(nextpnr(slow), sources_of("ice40"), tmp_path, 1).seed == 1
