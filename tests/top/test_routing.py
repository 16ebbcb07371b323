# SPDX-License-Identifier: BSD-2-Clause
"""Each board's pins and clock pass yosys and nextpnr, around a serial port with one register."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from celosia.errors import ToolError
from celosia.toolchain.execute import run_checked
from celosia.toolchain.tools import find_tool
from celosia_hw.boards import get_board
from celosia_hw.boards.registry import BUILT_IN
from celosia_hw.config import AcceleratorConfig
from celosia_hw.link.uart import UartLink
from celosia_hw.top import board_sources

pytest.importorskip("amaranth_boards")

#: Clocks besides each board's own: other ways to make one, and the fastest that is of use.
CLOCKS: dict[str, list[float]] = {
    "icebreaker": [12, 20, 48],
    "upduino3": [12, 20],
    "ulx3s_12f": [25, 80, 110],
    "ecpix5_45f": [100, 62.5],
}
CASES = [(name, mhz) for name in BUILT_IN for mhz in (None, *CLOCKS.get(name, []))]


class SmallCore(wiring.Component):
    """The link and one register in place of the accelerator, with the ports of ``Core``."""

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "ready": Out(1),
                "busy": Out(1),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = UartLink(AcceleratorConfig(), divisor=self.divisor)
        control = link.control
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx), control.ready.eq(1)]
        with m.If(control.valid & control.write):
            m.d.sync += control.read_data.eq(control.write_data ^ control.address)
        m.d.comb += [
            self.ready.eq(control.read_data[0]),
            self.busy.eq(control.read_data[1]),
            self.failed.eq(control.read_data[2]),
        ]
        return m


def run(directory: Path, name: str, *arguments: str) -> str:
    """What a tool prints."""
    try:
        tool = find_tool(name)
    except ToolError as error:
        pytest.skip(str(error))
    return run_checked(tool, arguments, folder=directory, log=f"{name}.log").output


@pytest.mark.long
@pytest.mark.parametrize(("name", "clock_mhz"), CASES)
def test_pins_and_clock_can_be_routed(name: str, clock_mhz: float | None, tmp_path: Path) -> None:
    board = get_board(name)
    sources = board_sources(
        board, AcceleratorConfig(), clock_mhz or board.clock_mhz, make_core=SmallCore
    )
    family = sources.family
    (tmp_path / "top.il").write_text(sources.design)
    constraints = f"top.{sources.constraints_suffix}"
    (tmp_path / constraints).write_text(sources.constraints)
    script = f"read_rtlil top.il; synth_{family} -top top -json top.json"
    run(tmp_path, "yosys", "-q", "-p", script)
    arguments = ["--json", "top.json", f"--{sources.constraints_suffix}", constraints]
    output = ["--asc", "top.asc"] if family == "ice40" else ["--textcfg", "top.config"]
    log = run(
        tmp_path, f"nextpnr-{family}", *sources.nextpnr_options, *arguments, *output, "--seed", "1"
    )
    # nextpnr knew the clock (to a picosecond), and met it.
    assert "ignoring clock constraint" not in log
    required = [float(mhz) for mhz in re.findall(r"\(PASS at ([\d.]+) MHz\)", log)]
    assert required
    assert required == pytest.approx([sources.fmax_mhz] * len(required), rel=1e-3)
    pack = ("icepack", "top.asc") if family == "ice40" else ("ecppack", "top.config")
    run(tmp_path, *pack, "top.bin")
    assert (tmp_path / "top.bin").stat().st_size > 50_000
