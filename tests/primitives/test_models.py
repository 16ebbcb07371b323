# SPDX-License-Identifier: BSD-2-Clause
"""The models of ECP5's primitives end a simulation of what they do not cover."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

from celosia.errors import ToolError
from celosia_sim.models import library
from celosia_sim.rtl.build import build
from celosia_sim.rtl.run import run_bench

CASE = "CELOSIA_CASE"

#: Parameters that must be refused, and what the message says.
PARAMETERS = [
    ('DP16KD #(.RESETMODE("ASYNC"))', "RESETMODE must be SYNC"),
    ("DP16KD #(.DATA_WIDTH_B(12))", "no widths of 18 and 12 bits"),
    ("DP16KD #(.DATA_WIDTH_B(36))", "no widths of 18 and 36 bits"),
    ('DP16KD #(.REGMODE_A("LATCH"))', "no REGMODE of LATCH and NOREG"),
    ('DP16KD #(.WRITEMODE_B("READ"))', "no WRITEMODE of NORMAL and READ"),
    ('DP16KD #(.CSDECODE_A("0b001"))', "CSDECODE must be 0b000"),
    ('DP16KD #(.CLKAMUX("INV"))', "no inverted clocks"),
    ('MULT18X18D #(.RESETMODE("ASYNC"))', "RESETMODE must be SYNC"),
    ('MULT18X18D #(.CLK0_DIV("DISABLED"))', "no divided or high-speed clocks"),
    ('MULT18X18D #(.HIGHSPEED_CLK("CLK0"))', "no divided or high-speed clocks"),
    ('MULT18X18D #(.REG_INPUTC_CLK("CLK0"))', "no C input"),
    ('MULT18X18D #(.MULT_BYPASS("ENABLED"))', "MULT_BYPASS and CAS_MATCH_REG must be off"),
    ('MULT18X18D #(.REG_OUTPUT_CLK("CLK4"))', "no register with CLK4"),
]

#: Signals that must be refused: each number is what ``case_`` is when they occur.
SIGNALS = {
    1: "chip selects must be 0",
    2: "no reset with a write or with OUTREG",
    3: "port B must not write beside a port A of 36 bits",
    4: "OCEA and OCEB must be the same",
    5: "one clock for both ports",
    6: "SIGNEDA and SIGNEDB must not change",
    7: "operands from the shift chain",
    8: "no C input",
}
MISUSE = """
module misuse (input clk, input [3:0] case_);
    reg half = 1'b0;
    always @(posedge clk) half <= !half;
    DP16KD #(
        .DATA_WIDTH_A(36), .DATA_WIDTH_B(36), .REGMODE_A("OUTREG"), .REGMODE_B("OUTREG")
    ) ram (
        .CLKA(clk), .CEA(1'b1), .WEA(1'b1), .CSA0(case_ == 1), .OCEA(case_ != 4), .RSTA(1'b0),
        .CLKB(case_ == 5 ? half : clk), .CEB(1'b1), .WEB(case_ == 3), .OCEB(1'b1), .RSTB(case_ == 2)
    );
    MULT18X18D #(.REG_OUTPUT_CLK("CLK0")) mult (
        .CLK0(clk), .CE0(1'b1), .RST0(1'b0), .SIGNEDA(case_ == 6 ? half : 1'b1), .SIGNEDB(1'b1),
        .SOURCEA(case_ == 7), .SOURCEB(1'b0), .C3(case_ == 8)
    );
endmodule
"""


@pytest.mark.parametrize(("instance", "message"), PARAMETERS)
def test_refused_parameters(instance: str, message: str) -> None:
    text = f"module top(input clk); {instance} cell_ (); endmodule\n"
    with pytest.raises(ToolError, match=message):
        build(library("ecp5") + text, toplevel="top")


@pytest.mark.parametrize("case", [0, *SIGNALS])
def test_refused_signals(case: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    simulation = build(library("ecp5") + MISUSE, toplevel="misuse")

    def run() -> None:
        run_bench(
            simulation,
            toplevel="misuse",
            module=Path(__file__).stem,
            directory=tmp_path,
            environment={CASE: str(case)},
        )

    if case == 0:
        run()
        return
    with pytest.raises(ToolError):
        run()
    assert SIGNALS[case] in (tmp_path / "simulation.log").read_text()


@cocotb.test()
async def some_cycles(dut: Any) -> None:
    dut.case_.value = int(os.environ[CASE])
    Clock(dut.clk, 10, "ns").start()
    await ClockCycles(dut.clk, 8)
