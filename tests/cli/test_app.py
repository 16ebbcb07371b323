# SPDX-License-Identifier: BSD-2-Clause
"""What all commands share, and ``celosia boards``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import Result

from celosia.cli.app import celosia
from celosia.cli.progress import progress_bars
from celosia_hw.boards import all_boards, registry

Run = Callable[..., Result]


def test_help_lists_the_commands_with_examples(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert set(celosia.commands) == {
        *("generate", "simulate", "build", "program", "run", "virtual", "inspect", "boards")
    }
    for command in celosia.commands:
        assert f"  {command} " in result.stdout
    assert "celosia generate model.tflite --board icebreaker" in result.stdout


@pytest.mark.parametrize("command", sorted(celosia.commands))
def test_help_of_each_command_teaches_by_example(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert f"Examples:\n    celosia {command}" in result.stdout


def test_importing_the_command_line_is_quick_and_needs_no_simulator() -> None:
    code = (
        "import sys, celosia.cli.app; print('cocotb' in sys.modules, 'celosia_sim' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout == "False False\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["inspect"], "Missing argument 'MODEL'"),
        (["generate", "model.tflite"], "Missing option '--board'"),
        (["simulate", "build/model"], "Missing option '--input'"),
        (["run", "build/model", "--port", "COM4"], "Missing option '--input'"),
        (["run", "x", "--input", "x.npy"], "give --port or --virtual, one of them"),
        (["run", "x", "--input", "x.npy", "--port", "p", "--virtual"], "give --port or --virtual"),
        (["run", "x", "--input", "x.npy", "--port", "p", "--baud", "0"], "0 is not in the range"),
        (["virtual"], "Missing argument 'DIRECTORY'"),
        (["boards", "--jsn"], "No such option"),
        (["generate", "m.tflite", "--board", "x", "--array", "4"], "'4' is no array"),
        (["generate", "m.tflite", "--board", "x", "--array", "3x4"], "each one of 2, 4, 8, 16"),
        (["generate", "m.tflite", "--board", "x", "--array", "4x4x4"], "for example 4x4 or 8x16"),
        (["simulate", "x", "--input", "x.npy", "--samples", "0"], "0 is not in the range x>=1"),
        (["simulate", "x", "--input", "x.npy", "--external-rate", "0"], "0.0 is not in the range"),
    ],
)
def test_misuse_is_explained(run: Run, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_boards_lists_all(run: Run) -> None:
    result = run("boards")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [board.name for board in all_boards()]
    icebreaker = lines[0].split()
    counts = ["iCE40UP5K", "4x4", "5,280", "8", "143", "KB"]
    assert icebreaker[-9:] == [*counts, "UART,", "SPI", "yes"]


def test_boards_as_json(run: Run) -> None:
    result = run("boards", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    boards = {board["name"]: board for board in json.loads(result.stdout)["boards"]}
    assert list(boards) == [board.name for board in all_boards()]
    assert boards["ulx3s_85f"]["multipliers"] == 156
    assert boards["ulx3s_85f"]["array"] == "8x16"
    assert boards["icebreaker"]["memories"] == [
        {"kind": "SPRAM", "blocks": 4, "bytes": 131072},
        {"kind": "EBR", "blocks": 30, "bytes": 15360},
    ]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_broken_board_package_ends_in_one_message(
    run: Run, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    entry = EntryPoint("bench", "absent_module:BENCH", registry.ENTRY_POINT_GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    result = run("boards", *options)
    assert result.exit_code == 2
    message = result.stderr if not options else json.loads(result.stdout)["error"]["message"]
    assert "board 'bench' of the package (unknown) cannot be loaded from absent_module" in message


def test_simulation_without_its_packages_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['cocotb'] = sys.modules['cocotb_tools'] = None; "
        "sys.argv = ['celosia', 'simulate', 'x', '--input', 'x.npy']; "
        "from celosia.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("celosia: error: simulation needs the package cocotb")
    assert "pip install 'celosia[sim]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_program_runs_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celosia", "inspect", str(tmp_path / "absent.tflite")],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "absent.tflite: cannot be read" in done.stderr


def test_progress_on_a_terminal_shows_numbers_and_what_is_at_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    with progress_bars({"run": "Simulating"}, {"run": "cycles"}, quiet=False) as advance:
        advance("run", 0, 2_000_000, "first_layer")
        advance("run", 1_234_567, 2_000_000, "second [layer]")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Simulating" in captured.err
    assert "1,234,567/2,000,000 cycles" in captured.err
    assert "second [layer]" in captured.err


def test_quiet_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars({}, quiet=True) as advance:
        advance("run", 1, 2, "layer")
    assert capsys.readouterr() == ("", "")
