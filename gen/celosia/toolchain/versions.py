# SPDX-License-Identifier: BSD-2-Clause
"""Versions of tools: the oldest ones that Celosia takes, and how a tool says its own.

The oldest ones were tried, in their WebAssembly form, with the tests of this package:

* Yosys 0.52: older ones, 0.47 for certain, leave out of the netlist what was flattened
  (``$scopeinfo``), which tells the blocks apart.
* nextpnr 0.8: the electrostatic placer of 0.7 crashes.
* ecppack 1.4: the version beside that nextpnr. icepack does not say its version; the text format
  that it reads has had all of the UP5K since 2018.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Version: TypeAlias = tuple[int, int]

#: The oldest version of each tool that is taken; None where a tool does not tell.
OLDEST: dict[str, Version | None] = {
    "yosys": (0, 52),
    "nextpnr-ice40": (0, 8),
    "nextpnr-ecp5": (0, 8),
    "icepack": None,
    "ecppack": (1, 4),
    "iceunpack": None,
    "icepll": None,
    "ecpunpack": None,
    "ecppll": None,
}

#: How to ask for the version. Some have no such option; their help shows that they run.
QUESTION: dict[str, tuple[str, ...]] = {
    "yosys": ("-V",),
    "nextpnr-ice40": ("--version",),
    "nextpnr-ecp5": ("--version",),
    "icepack": ("-h",),
    "ecppack": ("--version",),
    "iceunpack": ("-h",),
    "icepll": ("-h",),
    "ecpunpack": ("--help",),
    "ecppll": ("--help",),
}

_ANSWER = {
    "yosys": re.compile(r"^Yosys (?P<text>(\d+)\.(\d+)\S*)", re.MULTILINE),
    "nextpnr": re.compile(r"\(Version (?:nextpnr-)?(?P<text>(\d+)\.(\d+)[^)]*)\)"),
    "ecppack": re.compile(r"ecppack Version (?P<text>(\d+)\.(\d+)\S*)"),
}


def parse_version(tool: str, output: str) -> tuple[str, Version] | None:
    """The version in what ``tool`` prints, as it writes it and as numbers; None if there is none,
    for example in a build that names its commit only."""
    pattern = _ANSWER.get(tool.split("-")[0])
    match = pattern.search(output) if pattern else None
    if match is None:
        return None
    _, major, minor = match.groups()
    return match["text"], (int(major), int(minor))


def written(version: Version) -> str:
    """``0.52`` for (0, 52)."""
    return ".".join(map(str, version))
