# SPDX-License-Identifier: BSD-2-Clause
"""Compiles Verilog for simulation, once for each content."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from pathlib import Path

from cocotb_tools.runner import Runner, get_runner

from celosia.errors import ToolError

from .objects import kept_objects
from .toolchain import verilator_environment

#: Amaranth's Verilog relies on Verilog's own width rules, and drives combinational signals from
#: blocks that start with their default.
WARNINGS_OFF = (
    "WIDTHEXPAND",
    "WIDTHTRUNC",
    "CASEINCOMPLETE",
    "UNSIGNED",
    "CMPCONST",
    "PROCASSINIT",
)
TIMESCALE = ("1ns", "1ps")


def cache_directory() -> Path:
    """Where compiled simulations are kept: CELOSIA_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("CELOSIA_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "celosia"


def build(verilog: str, *, toplevel: str, trace: str | None = None) -> Path:
    """Compiles ``verilog`` with Verilator and returns the folder of the result.

    A folder is named by the content of the source, the options and the tools' versions, so that
    the same simulation is compiled once. ``trace``, "fst" or "vcd", adds what waves need, at a cost
    of speed.

    Raises:
        ToolError: Verilator is missing or rejects the source.
    """
    options = ["--x-assign", "fast", "--x-initial", "fast", "-O3", "--noassert"]
    options += ["--no-public-flat-rw"]
    options += ["--output-split", "0", "-CFLAGS", "-O1"] + [f"-Wno-{name}" for name in WARNINGS_OFF]
    if trace is not None:
        options += ["--trace-fst" if trace == "fst" else "--trace-vcd"]
    versions = [importlib.metadata.version(name) for name in ("cocotb", "verilator")]
    target = cache_directory() / "simulations" / _digest(verilog, toplevel, *options, *versions)
    if (target / "complete").exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (target / "complete").exists():
            return target
        # The compiled program refers to its own place: build there, mark it when complete.
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        source = target / f"{toplevel}.v"
        source.write_text(verilog)
        # Only the ports can be seen from outside; the rest is optimized as if nobody looked.
        visible = target / "visible.vlt"
        visible.write_text(f'`verilator_config\npublic_flat_rw -module "{toplevel}" -var "*"\n')
        objects = cache_directory() / "objects" / _digest(*options, *versions)
        with verilator_environment(), kept_objects(objects):
            runner: Runner = get_runner("verilator")
            log = target / "build.log"
            try:
                runner.build(
                    sources=[visible, source],
                    hdl_toplevel=toplevel,
                    build_args=options,
                    build_dir=target,
                    timescale=TIMESCALE,
                    log_file=log,
                    waves=trace is not None,
                )
            except (SystemExit, Exception) as error:
                kept = Path(tempfile.gettempdir()) / f"celosia-build-{target.name}.log"
                tail = ""
                if log.exists():
                    shutil.copy(log, kept)
                    tail = "\n".join(log.read_text().splitlines()[-12:])
                shutil.rmtree(target, ignore_errors=True)
                raise ToolError(f"Verilator failed ({error}); its log is {kept}\n{tail}") from error
        (target / "complete").touch()
    return target


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
