# SPDX-License-Identifier: BSD-2-Clause
"""``celosia program``: which command it calls, with executables that record their arguments."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from celosia.compiler.boot import flash_content
from celosia.compiler.image import Image
from celosia_hw.boards import all_boards, get_board
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Source
from celosia_sim.random_programs import random_program

Run = Callable[..., Result]


def random_program_image(config: AcceleratorConfig | None = None) -> Image:
    return random_program(config or AcceleratorConfig(), 3, instructions=4, source=Source.RESIDENT)


@pytest.fixture(autouse=True)
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def install(bin_folder: Path, tmp_path: Path) -> Callable[..., None]:
    """``install(name)`` puts a program there that writes its arguments into ``name.txt``."""

    def add(name: str, then: str = "") -> None:
        file = bin_folder / name
        record = tmp_path / f"{name}.txt"
        file.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > '{record}'\necho working\n{then}\n")
        os.chmod(file, 0o755)

    return add


@pytest.fixture
def finished(tmp_path: Path) -> Callable[[str], Path]:
    """``finished(board)`` is a folder with a finished build."""

    def make(board: str) -> Path:
        folder = tmp_path / "my build" / board
        folder.mkdir(parents=True)
        name = "top.bin" if get_board(board).family == "ice40" else "top.bit"
        (folder / name).write_bytes(b"bits")
        (folder / "build.json").write_text(json.dumps({"board": board, "bitstream": name}))
        return folder

    return make


def arguments(tmp_path: Path, name: str) -> list[str]:
    return (tmp_path / f"{name}.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("board", "installed", "options", "called", "expected"),
    [
        ("icebreaker", ["iceprog"], [], "iceprog", ["FILE"]),
        ("icebreaker", ["iceprog", "openFPGALoader"], [], "iceprog", ["FILE"]),
        (
            *("icebreaker", ["openFPGALoader"], [], "openFPGALoader"),
            ["-b", "ice40_generic", "-f", "FILE"],
        ),
        ("icebreaker", ["iceprog"], ["--sram"], "iceprog", ["-S", "FILE"]),
        ("up5k_evn", ["iceprog"], [], "iceprog", ["FILE"]),
        (
            *("upduino3", ["openFPGALoader"], [], "openFPGALoader"),
            ["-b", "ice40_generic", "-c", "ft232", "-f", "FILE"],
        ),
        ("icesugar", ["icesprog", "iceprog", "openFPGALoader"], [], "icesprog", ["FILE"]),
        ("ulx3s_85f", ["openFPGALoader"], [], "openFPGALoader", ["-b", "ulx3s", "-f", "FILE"]),
        (
            *("ulx3s_12f", ["iceprog", "openFPGALoader"], ["--sram"], "openFPGALoader"),
            ["-b", "ulx3s", "-m", "FILE"],
        ),
        ("ecpix5_85f", ["openFPGALoader"], [], "openFPGALoader", ["-b", "ecpix5", "-f", "FILE"]),
        (
            *("orangecrab_25f", ["openFPGALoader"], [], "openFPGALoader"),
            ["-b", "orangeCrab", "-f", "FILE"],
        ),
        (
            *("colorlight_5a_75b", ["openFPGALoader"], ["--cable", "ft232"], "openFPGALoader"),
            ["-b", "colorlight", "-c", "ft232", "-f", "FILE"],
        ),
    ],
)
def test_the_right_program_gets_the_right_arguments(
    run: Run,
    install: Callable[..., None],
    finished: Callable[[str], Path],
    tmp_path: Path,
    board: str,
    installed: list[str],
    options: list[str],
    called: str,
    expected: list[str],
) -> None:
    for name in installed:
        install(name)
    folder = finished(board)
    file = str(folder / ("top.bin" if get_board(board).family == "ice40" else "top.bit"))
    result = run("program", folder, *options)
    assert result.exit_code == 0, result.stderr
    expected = [file if part == "FILE" else part for part in expected]
    assert arguments(tmp_path, called) == expected
    assert {path.stem for path in tmp_path.glob("*.txt")} == {called}
    where = "FPGA" if "--sram" in options else "flash memory"
    assert result.stdout == f"{file} is in the {where} of {board}\n"
    assert result.stderr == "Programming ...\n"


@pytest.mark.parametrize("board", [board.name for board in all_boards()])
def test_a_dry_run_prints_the_command_and_runs_nothing(
    run: Run,
    install: Callable[..., None],
    finished: Callable[[str], Path],
    board: str,
    tmp_path: Path,
) -> None:
    for name in ("iceprog", "openFPGALoader", "icesprog"):
        install(name)
    folder = finished(board)
    result = run("program", folder, "--dry-run")
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    # Quoted, as the path has a space.
    assert result.stdout.startswith(("iceprog ", "openFPGALoader ", "icesprog "))
    assert f"'{folder}/top." in result.stdout
    assert result.stdout.count("\n") == 1
    assert not list(tmp_path.glob("*.txt"))


def test_a_dry_run_needs_no_program(run: Run, finished: Callable[[str], Path]) -> None:
    folder = finished("icebreaker")
    result = run("program", folder, "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    command, advice = result.stdout.splitlines()
    assert command == f"iceprog '{folder}/top.bin'"
    assert advice.startswith("not installed: iceprog or openFPGALoader must be on PATH (iceprog: ")
    assert "apt install openfpgaloader" in advice
    assert "oss-cad-suite" in advice


def test_json_has_the_command(
    run: Run, install: Callable[..., None], finished: Callable[[str], Path], tmp_path: Path
) -> None:
    install("openFPGALoader")
    folder = finished("ulx3s_85f")
    result = run("program", folder, "--json", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    file = f"{folder}/top.bit"
    assert report["commands"] == [["openFPGALoader", "-b", "ulx3s", "-f", file]]
    assert report["data"] is None
    assert (report["board"], report["target"], report["bitstream"]) == ("ulx3s_85f", "flash", file)
    assert (report["installed"], report["programmed"]) == (True, False)
    result = run("program", folder, "--json", "--sram")
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert (report["target"], report["programmed"]) == ("sram", True)
    assert arguments(tmp_path, "openFPGALoader") == ["-b", "ulx3s", "-m", file]


@pytest.mark.parametrize(
    ("board", "names"),
    [
        ("icebreaker", "iceprog or openFPGALoader must be on PATH (iceprog: apt install fpga-ices"),
        ("ulx3s_85f", "openFPGALoader must be on PATH (openFPGALoader: apt install openfpgaloader"),
        ("icesugar", "icesprog must be on PATH (icesprog: https://github.com/wuxx/icesugar)"),
    ],
)
def test_a_program_that_is_not_installed_is_told_with_how_to_get_it(
    run: Run, finished: Callable[[str], Path], board: str, names: str
) -> None:
    folder = finished(board)
    result = run("program", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"celosia: error: {board}: {names}" in result.stderr
    result = run("program", folder, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["type"] == "ToolError"


def test_a_program_that_fails_is_told(
    run: Run, install: Callable[..., None], finished: Callable[[str], Path]
) -> None:
    install("iceprog", 'echo "Can\'t find iCE FTDI USB device (vendor_id 0x0403)."\nexit 2')
    result = run("program", finished("icebreaker"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        "celosia: error: iceprog failed: working / Can't find iCE FTDI USB device (vendor_id "
        "0x0403).; is the board icebreaker connected, and may you use its USB device?"
    ) in result.stderr


@pytest.mark.parametrize(
    ("board", "options", "message"),
    [
        ("icesugar", ["--sram"], "icesugar: its FPGA cannot be loaded without the flash memory"),
        ("orangecrab_85f", ["--sram"], "leave --sram out"),
        ("icesugar", ["--cable", "ft232"], "icesugar: openFPGALoader does not load this board"),
    ],
)
def test_what_a_board_cannot_do_is_told(
    run: Run, finished: Callable[[str], Path], board: str, options: list[str], message: str
) -> None:
    result = run("program", finished(board), *options, "--dry-run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "build.json: there is none; run 'celosia build "),
        ("{", "build.json: damaged"),
        ("[]", "build.json: damaged"),
        ('{"board": "icebreaker"}', "build.json: damaged (Object missing required"),
        ('{"board": "breadboard", "bitstream": "top.bin"}', "there is no board 'breadboard'"),
        ('{"board": "icebreaker", "bitstream": "top.bin"}', "top.bin: is missing; run 'celosia bu"),
    ],
)
def test_a_folder_without_a_finished_build_is_told(
    run: Run, tmp_path: Path, record: str | None, message: str
) -> None:
    folder = tmp_path / "build"
    folder.mkdir()
    if record is not None:
        (folder / "build.json").write_text(record)
    result = run("program", folder, "--dry-run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("celosia: error: ")
    assert message in result.stderr


@pytest.fixture
def with_model(finished: Callable[[str], Path], tmp_path: Path) -> Callable[[str, int], Path]:
    """``with_model(board, offset)`` is a folder with a finished build of a design that boots."""

    def make(board: str, offset: int) -> Path:
        folder = finished(board)
        image = random_program_image()
        image.save(folder / "model.image")
        record = json.loads((folder / "build.json").read_text())
        record |= {"flash_offset": offset, "fingerprint": image.config.fingerprint}
        (folder / "build.json").write_text(json.dumps(record))
        return folder

    return make


@pytest.mark.parametrize(
    ("board", "program", "first", "second"),
    [
        ("icebreaker", "iceprog", ["BITS"], ["-o", "1048576", "DATA"]),
        (
            *("ulx3s_85f", "openFPGALoader", ["-b", "ulx3s", "-f", "BITS"]),
            ["-b", "ulx3s", "-f", "-o", "2097152", "DATA"],
        ),
    ],
)
def test_a_design_that_boots_gets_its_model(
    run: Run,
    install: Callable[..., None],
    with_model: Callable[[str, int], Path],
    tmp_path: Path,
    board: str,
    program: str,
    first: list[str],
    second: list[str],
) -> None:
    install(program, f'echo "$@" >> {tmp_path / "calls"}')
    flash = get_board(board).flash
    assert flash is not None
    folder = with_model(board, flash.data_offset)
    image = Image.load(folder / "model.image")
    result = run("program", folder, "--json", "--dry-run")
    assert result.exit_code == 0
    assert not (folder / "flash.bin").exists()
    report = json.loads(result.stdout)
    bits = report["bitstream"]
    names = {"BITS": bits, "DATA": str(folder / "flash.bin")}
    expected = [[program, *(names.get(part, part) for part in parts)] for parts in (first, second)]
    assert report["commands"] == expected
    result = run("program", folder)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        f"{bits} and {folder / 'flash.bin'} are in the flash memory of {board}\n"
    )
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == [" ".join(command[1:]) for command in expected]
    assert (folder / "flash.bin").read_bytes() == flash_content(image)
    # The FPGA itself has no place for a model.
    result = run("program", folder, "--sram", "--dry-run", "--json")
    assert len(json.loads(result.stdout)["commands"]) == 1


def test_what_must_not_be_in_flash_is_told(
    run: Run, with_model: Callable[[str, int], Path], tmp_path: Path
) -> None:
    folder = with_model("icebreaker", (16 << 20) - 1024)
    result = run("program", folder, "--dry-run")
    assert result.exit_code == 2
    assert "bytes do not fit into the flash memory of icebreaker behind the bitstream" in (
        result.stderr
    )
    other = tmp_path / "other"
    other.mkdir()
    image = random_program_image(AcceleratorConfig(weight_depth=32))
    image.save(other / "model.image")
    result = run("program", folder, "--model", other, "--dry-run")
    assert result.exit_code == 2
    assert "model.image: is for another accelerator than the bitstream" in result.stderr
    (other / "model.image").write_bytes(b"CELOSIA")
    result = run("program", folder, "--model", other, "--dry-run")
    assert result.exit_code == 2
    assert "model.image: not an image of a model" in result.stderr
