# SPDX-License-Identifier: BSD-2-Clause
"""Icarus Verilog, where it is installed, shows what Verilator shows."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

from celosia.errors import ToolError
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Source
from celosia_hw.verilog import to_verilog
from celosia_sim.accelerator import job_for, outputs_of
from celosia_sim.program_model import ProgramModel
from celosia_sim.random_programs import random_program
from celosia_sim.rtl.build import Simulator, build
from celosia_sim.rtl.host import INPUTS
from celosia_sim.rtl.run import run_job

CONFIG = AcceleratorConfig(chain_rows=3, scratch_bytes=1 << 16, weight_depth=640)


def test_every_input_is_driven() -> None:
    """Also where Icarus, which would read it as unknown, is not installed."""
    text = to_verilog(CONFIG, name="celosia")
    (ports,) = re.findall(r"^module celosia\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
    inputs = re.findall(r"^  input (?:\[\S+ )?(\w+);$", ports, re.MULTILINE)
    assert sorted(inputs) == sorted([*INPUTS, "clk", "rst"])


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_same_bytes_and_cycles_as_verilator() -> None:
    verilog = to_verilog(CONFIG)
    image = random_program(CONFIG, 3, instructions=5, source=Source.SCRATCH)
    runs = [
        run_job(build(verilog, toplevel="celosia", simulator=simulator), job_for(image, [[]]))[0]
        for simulator in Simulator
    ]
    (expected,) = ProgramModel(image).outputs([])
    for run in runs:
        assert np.array_equal(outputs_of(image, run)[0], expected)
    assert runs[0].cycles == runs[1].cycles


def test_waves_are_left_to_verilator() -> None:
    with pytest.raises(ToolError, match="waves are written by the default simulator only"):
        build("", toplevel="celosia", trace="fst", simulator=Simulator.ICARUS)


def test_missing_icarus_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match="Icarus Verilog is not installed"):
        build("", toplevel="celosia", simulator=Simulator.ICARUS)
