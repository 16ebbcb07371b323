# SPDX-License-Identifier: BSD-2-Clause
"""Compiled simulations are kept, for the libraries that they were compiled with."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cocotb_tools.config
import pytest

from celosia.errors import ToolError
from celosia_sim.rtl.build import build

MODULE = "module kept(input clk, output reg [3:0] q); always @(posedge clk) q <= q + 1; endmodule\n"


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
