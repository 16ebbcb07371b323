# SPDX-License-Identifier: BSD-2-Clause
"""Compiles Verilog for simulation, once for each content."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from pathlib import Path

import cocotb_tools.config
from cocotb_tools.runner import Runner, get_runner

from celosia.errors import ToolError
from celosia.output_files import check_writable, disk_errors

from .icarus import check_icarus, for_icarus
from .objects import kept_objects
from .plain_paths import plain_folder
from .toolchain import FIND_LIBRARIES, LIBRARIES, tool_context, verilator_environment

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
#: A netlist becomes one function of megabytes, and compilers' time grows faster than functions do.
GATES_SPLIT = ("--output-split", "20000", "--output-split-cfuncs", "2000")
TIMESCALE = ("1ns", "1ps")
#: The file that marks a folder as complete and names its simulator.
COMPLETE = "complete"
#: What a compiled simulation takes at least.
_LEAST_BYTES = 1 << 22
_REMEDY = "make room there, or let CELOSIA_CACHE name a folder that can be written"


def cache_directory() -> Path:
    """Where compiled simulations are kept: CELOSIA_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("CELOSIA_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "celosia"


class Simulator(Enum):
    """The simulators that a design can be compiled for."""

    VERILATOR = "verilator"
    ICARUS = "icarus"


@contextmanager
def _cache_errors() -> Iterator[None]:
    """What it means that a file cannot be written."""
    with disk_errors(cache_directory(), _REMEDY):
        yield


@_cache_errors()
def build(
    verilog: str,
    *,
    toplevel: str,
    trace: str | None = None,
    simulator: Simulator = Simulator.VERILATOR,
    optimized: bool = True,
    gates: bool = False,
) -> Path:
    """Compiles ``verilog`` and returns the folder of the result.

    A folder is named by the content of the source, the options and the tools' versions and place,
    where the compiled program finds its libraries, so that the same simulation is compiled once.
    ``trace``, "fst" or "vcd", adds what waves need, at a cost of speed; only Verilator writes
    waves. What is not ``optimized`` compiles in a third of the time and runs at a third of the
    speed: for a few thousand cycles. ``gates`` says that this is a netlist of many small cells in
    few modules, whose few runs are over before a compiler has optimized it.

    Raises:
        ToolError: the simulator is missing, rejects the source, or cannot write waves.
        OutputError: the cache folder cannot be written.
    """
    options: list[str] = []
    if simulator is Simulator.VERILATOR:
        options += ["--x-assign", "fast", "--x-initial", "fast", "-O3", "--noassert"]
        level = "-O1" if optimized and not gates else "-O0"
        options += ["--no-public-flat-rw", "-CFLAGS", level]
        options += GATES_SPLIT if gates else ("--output-split", "0")
        options += [f"-Wno-{name}" for name in WARNINGS_OFF]
        options += FIND_LIBRARIES
        if trace is not None:
            options += ["--trace-fst" if trace == "fst" else "--trace-vcd"]
        versions = [importlib.metadata.version(name) for name in ("cocotb", "verilator")]
    elif trace is not None:
        raise ToolError("waves are written by the default simulator only, Verilator")
    else:
        versions = [importlib.metadata.version("cocotb"), check_icarus()]
        verilog = for_icarus(verilog)
    identity = [simulator.value, verilog, toplevel, *options, *versions]
    identity.append(str(cocotb_tools.config.libs_dir))
    target = cache_directory() / "simulations" / _digest(*identity)
    if (target / COMPLETE).exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    check_writable(target.parent, _LEAST_BYTES, _REMEDY)
    with open(target.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (target / COMPLETE).exists():
            return target
        shutil.rmtree(target, ignore_errors=True)
        with plain_folder() as folder:
            place = folder / "build"
            place.mkdir()
            source = place / f"{toplevel}.v"
            source.write_text(verilog)
            sources = [source]
            tools: AbstractContextManager[None] = tool_context()
            if simulator is Simulator.VERILATOR:
                # Only the ports can be seen from outside; the rest is optimized as if nobody
                # looked.
                visible = place / "visible.vlt"
                rule = f'public_flat_rw -module "{toplevel}" -var "*"'
                visible.write_text(f"`verilator_config\n{rule}\n")
                sources.insert(0, visible)
                objects = cache_directory() / "objects" / _digest(*options, *versions)
                tools = _verilator(folder, objects)
            log = place / "build.log"
            with tools:
                runner: Runner = get_runner(simulator.value)
                try:
                    runner.build(
                        sources=sources,
                        hdl_toplevel=toplevel,
                        build_args=options,
                        build_dir=place,
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
                    name = simulator.value.capitalize()
                    message = f"{name} failed ({error}); its log is {kept}\n{tail}"
                    raise ToolError(message) from error
            # What runs is kept; the sources and objects are many times as large.
            target.mkdir()
            program = "sim.vvp"
            if simulator is Simulator.VERILATOR:
                program = toplevel
                (target / LIBRARIES).symlink_to(cocotb_tools.config.libs_dir)
            shutil.move(place / program, target / program)
        (target / COMPLETE).write_text(simulator.value)
    return target


def simulator_of(directory: Path) -> Simulator:
    """The simulator that a folder from ``build`` was compiled for."""
    return Simulator((directory / COMPLETE).read_text())


@contextmanager
def _verilator(folder: Path, objects: Path) -> Iterator[None]:
    with verilator_environment(folder), kept_objects(objects, folder / "objects"):
        yield


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
