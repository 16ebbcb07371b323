# SPDX-License-Identifier: BSD-2-Clause
"""What nextpnr reports of a routed design: utilization, clocks and the longest path of each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: A line of utilization in nextpnr's log.
_UTILIZATION = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)
_EDGE = re.compile(r"^(?:pos|neg)edge (.+)$")


@dataclass(frozen=True)
class Used:
    """How much of a resource is used, of how much there is."""

    used: int
    available: int

    @property
    def fits(self) -> bool:
        """Whether there is enough."""
        return self.used <= self.available

    def to_dict(self) -> dict[str, int]:
        """In types that JSON has."""
        return {"used": self.used, "available": self.available}


@dataclass(frozen=True)
class LongestPath:
    """The path that limits a clock.

    Attributes:
        clock: net of the clock at its end.
        start: name of the cell it starts at, as nextpnr calls it, and of the net that this drives.
        end: name of the cell it ends at.
        logic_ns: delay in cells, with clock to output and setup.
        routing_ns: delay between cells.
    """

    clock: str
    start: str
    start_net: str
    end: str
    logic_ns: float
    routing_ns: float

    @property
    def total_ns(self) -> float:
        """The whole delay."""
        return self.logic_ns + self.routing_ns


@dataclass(frozen=True)
class Clock:
    """The timing of a clock net, in MHz: what routing achieved, and what was demanded."""

    net: str
    achieved_mhz: float
    required_mhz: float
    path: LongestPath | None

    @property
    def met(self) -> bool:
        """Whether it is fast enough."""
        return self.achieved_mhz >= self.required_mhz

    @property
    def ratio(self) -> float:
        """Achieved by required."""
        return self.achieved_mhz / self.required_mhz


@dataclass(frozen=True)
class RouteReport:
    """All that a build needs of nextpnr's report.

    Attributes:
        utilization: used and available cells by nextpnr's name of their kind.
        clocks: all clocks, the slowest in proportion to what it must reach first.
    """

    utilization: dict[str, Used]
    clocks: tuple[Clock, ...]

    @property
    def met(self) -> bool:
        """Whether all clocks are fast enough. A design without a clock is."""
        return all(clock.met for clock in self.clocks)


def read_report(file: Path) -> RouteReport:
    """What nextpnr wrote with ``--report``."""
    record = json.loads(file.read_text(encoding="utf-8"))
    paths: dict[str, LongestPath] = {}
    for entry in record["critical_paths"]:
        path = _longest_path(entry)
        if path is not None:
            known = paths.get(path.clock)
            if known is None or path.total_ns > known.total_ns:
                paths[path.clock] = path
    clocks = [
        Clock(net, fmax["achieved"], fmax["constraint"], paths.get(net))
        for net, fmax in record["fmax"].items()
    ]
    return RouteReport(
        utilization={
            kind: Used(used["used"], used["available"])
            for kind, used in record["utilization"].items()
        },
        clocks=tuple(sorted(clocks, key=lambda clock: (clock.ratio, clock.net))),
    )


def read_utilization(log: str) -> dict[str, Used]:
    """Utilization as nextpnr's output has it, which is there also if the design does not fit."""
    found = _UTILIZATION.findall(log)
    return {kind: Used(int(used), int(available)) for kind, used, available in found}


def _longest_path(entry: dict[str, Any]) -> LongestPath | None:
    """A path between two edges of one clock; None for what crosses clocks or leaves the chip."""
    start, end = _EDGE.match(entry["from"]), _EDGE.match(entry["to"])
    if start is None or end is None or start[1] != end[1] or not entry["path"]:
        return None
    steps = entry["path"]
    routing = [step for step in steps if step["type"] == "routing"]
    return LongestPath(
        clock=start[1],
        start=steps[0]["from"]["cell"],
        start_net=routing[0]["net"] if routing else "",
        end=steps[-1]["to"]["cell"],
        logic_ns=sum(step["delay"] for step in steps if step["type"] != "routing"),
        routing_ns=sum(step["delay"] for step in routing),
    )
