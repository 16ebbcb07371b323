# SPDX-License-Identifier: BSD-2-Clause
"""Places and routes a netlist, with nextpnr and one seed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from celosia.errors import ToolError

from .execute import Cancel, run
from .sources import Sources
from .synthesize import NETLIST
from .timing import RouteReport, Used, read_report, read_utilization
from .tools import Tool

#: Options of the placer. The electrostatic one leaves less wire than the default one, on ECP5 by a
#: third: large designs are routed in a fraction of the time, and a UP5K that is nearly full at all.
_PLACER = ("--placer", "static")
#: The option that names nextpnr's result, and its suffix.
_RESULT = {"ice40": ("--asc", ".asc"), "ecp5": ("--textcfg", ".config")}
#: What nextpnr says if it finds no place for a cell although there are enough of its kind.
_NO_PLACE = re.compile(r"^ERROR: .*(?:legal placement|place cell|expand region|no Bels)", re.M)
#: What is told of nextpnr's progress, by how a line of its output begins.
_PHASES = {
    "Info: Packing": "packing",
    "Info: Running": "placing",
    "Info: Routing": "routing",
}
#: A row of the router's table: iterations so far, and arcs that remain.
_ROUTING = re.compile(r"^Info: +(\d+) \|.*\| +(\d+)\| +[\d.]+ +[\d.]+\|")
#: Iterations without a new low of the remaining arcs after which the router is given up: designs
#: that it routes need no more than a few thousand, others it would go on with for ever.
_PATIENCE = 100_000


@dataclass(frozen=True)
class Routed:
    """A routed design.

    Attributes:
        seed: nextpnr's seed.
        report: its timing and utilization.
        result: name of the file with the configuration, for the bitstream.
    """

    seed: int
    report: RouteReport
    result: str


class DoesNotFitError(Exception):
    """The design needs more than the device has.

    ``utilization`` is as nextpnr counts it, with all that it uses; ``crowded`` tells that there is
    enough of everything, but that nextpnr found no place, or no routes, for all.
    """

    def __init__(self, utilization: dict[str, Used], *, crowded: bool) -> None:
        super().__init__("the design does not fit")
        self.utilization = utilization
        self.crowded = crowded


class _StuckError(Exception):
    """The router goes round in circles."""


class _Router:
    """Follows the router's table."""

    def __init__(self) -> None:
        self._least: int | None = None
        self._reached = 0

    def follow(self, line: str) -> None:
        row = _ROUTING.match(line)
        if row is None:
            return
        iteration, remaining = int(row[1]), int(row[2])
        if self._least is None or remaining < self._least:
            self._least, self._reached = remaining, iteration
        elif iteration - self._reached >= _PATIENCE:
            raise _StuckError


def log_name(seed: int) -> str:
    """Name of the log of a seed."""
    return f"nextpnr_seed{seed}.log"


def route(
    tool: Tool,
    sources: Sources,
    folder: Path,
    seed: int,
    *,
    on_phase: Callable[[str], None] | None = None,
    cancel: Cancel | None = None,
) -> Routed:
    """Places and routes the netlist in ``folder``. The same seed gives the same result.

    Clocks that are too slow are no error: the report tells.

    Raises:
        DoesNotFitError: the device is too small, or too full to route the design.
        ToolError: nextpnr fails for another reason.
        CancelledError: ``cancel`` ended it.
    """
    option, suffix = _RESULT[sources.family]
    result, report = f"seed{seed}{suffix}", f"report_seed{seed}.json"
    arguments = [*sources.nextpnr_options, "--json", NETLIST, option, result, "--report", report]
    arguments += ["--seed", str(seed), "--freq", f"{sources.required_mhz:.6f}"]
    arguments += ["--timing-allow-fail", *_PLACER]
    if sources.constraints is not None:
        option = "--pcf" if sources.family == "ice40" else "--lpf"
        arguments += [option, sources.constraints]

    router = _Router()

    def on_line(line: str) -> None:
        router.follow(line)
        for start, phase in _PHASES.items():
            if on_phase is not None and line.startswith(start):
                on_phase(phase)

    log = log_name(seed)
    try:
        done = run(tool, arguments, folder=folder, log=log, on_line=on_line, cancel=cancel)
    except _StuckError:
        output = (folder / log).read_text(encoding="utf-8")
        raise DoesNotFitError(read_utilization(output), crowded=True) from None
    if done.code != 0:
        utilization = read_utilization(done.output)
        crowded = all(used.fits for used in utilization.values())
        if not crowded or _NO_PLACE.search(done.output):
            raise DoesNotFitError(utilization, crowded=crowded)
        raise ToolError(
            f"{tool.name} failed: {done.reason}; all of its output is in {folder / log}"
        )
    return Routed(seed, read_report(folder / report), result)
