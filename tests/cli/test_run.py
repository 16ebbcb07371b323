# SPDX-License-Identifier: BSD-2-Clause
"""``celosia run`` and ``celosia virtual``, with a fake device behind a pseudo-terminal."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import celosia
import celosia.host
from celosia.compiler.image import Image
from celosia.importer import load_tflite
from celosia_hw.core import LinkKind
from celosia_sim.reference import run as run_reference

from ..host.fake_board import FakeBoard
from ..host.fake_device import FakeDevice

pytest.importorskip("serial")
pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="has no pseudo-terminals")

Run = Callable[..., Result]
LABELS = [f"digit {number}" for number in range(10)]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "digits"
    celosia.generate(digits / "digits.tflite", board="icebreaker", output=folder)
    return folder


@pytest.fixture
def folder(generated: Path, tmp_path: Path) -> Path:
    """The example, generated for iCEBreaker; a copy to write to."""
    shutil.copytree(generated, tmp_path / "digits")
    return tmp_path / "digits"


@pytest.fixture
def board(generated: Path) -> Iterator[FakeBoard]:
    with FakeBoard(FakeDevice(Image.load(generated / "model.image"))) as board:
        yield board


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Puts a fake in the place of the virtual board; the ones that were made."""
    boards: list[Any] = []

    class VirtualBoard(FakeBoard):
        baud_rate = 500_000

        def __init__(
            self,
            folder: Path,
            *,
            link: LinkKind,
            flash: bool | None,
            progress: Callable[[str, int], None],
        ) -> None:
            self.options = link, flash
            self.ended = False
            progress("compile", 0)
            progress("start", 1)
            super().__init__(FakeDevice(Image.load(folder / "model.image")))
            boards.append(self)

        @property
        def running(self) -> bool:
            return not self.ended

        def unplug(self) -> None:
            super().unplug()
            self.ended = True

    fake = types.ModuleType("celosia_sim.virtual")
    fake.VirtualBoard = VirtualBoard  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "celosia_sim.virtual", fake)
    return boards


def expected(digits: Path, count: int) -> Any:
    graph = load_tflite(digits / "digits.tflite")
    images = np.load(digits / "images.npy")[:count]
    return np.stack([run_reference(graph, x[np.newaxis])[graph.outputs[0]] for x in images])


def test_samples_run_on_a_board(run: Run, digits: Path, folder: Path, board: FakeBoard) -> None:
    arguments = ("--port", board.port, "--input", digits / "images.npy", "--samples", 3)
    result = run("run", folder, *arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == "Loading ...\nTesting ...\nRunning ...\n"
    outputs = expected(digits, 3)
    assert np.array_equal(np.load(folder / "outputs.npy"), outputs)
    cycles = Image.load(folder / "model.image").cycles + 5
    first, *lines = result.stdout.splitlines()
    assert re.fullmatch(
        f"self-test passed: 8 tensors equal the integer reference, {cycles:,} cycles, "
        rf"{cycles / 24_000:.3f} ms; took \d+\.\d s",
        first,
    )
    assert lines == [
        *(
            f"sample {number}: largest output {output.max()} at ({output.argmax()}), {cycles:,} "
            f"cycles, {cycles / 24_000:.3f} ms"
            for number, output in enumerate(outputs)
        ),
        f"3 samples on {board.port} at 24 MHz; requests that had to be repeated: 0",
    ]


def test_json_has_all_figures(run: Run, digits: Path, folder: Path, board: FakeBoard) -> None:
    arguments = ("--port", board.port, "--input", digits / "images.npy", "--samples", 2, "--json")
    result = run("run", folder, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    image = Image.load(folder / "model.image")
    cycles = image.cycles + 5
    assert report["cycles"] == [cycles] * 2
    assert report["milliseconds"] == [cycles / 24_000] * 2
    assert [layer["name"] for layer in report["layers"]] == [layer.name for layer in image.layers]
    assert all(layer["cycles"] > 0 for layer in report["layers"])
    assert report["outputs"] == [str(folder / "outputs.npy")]
    assert report["port"] == board.port
    peaks = expected(digits, 2)
    assert report["peaks"] == [
        {"position": [int(p.argmax())], "value": int(p.max()), "label": None} for p in peaks
    ]
    assert (report["samples"], report["retries"], report["recoveries"]) == (2, 0, 0)
    assert report["clock_mhz"] == 24
    test = report["self_test"]
    assert (test["result"], test["checks"], test["cycles"]) == ("passed", 8, cycles)
    assert test["milliseconds"] == cycles / 24_000
    assert 0 < test["seconds"] < 60


def test_a_board_that_computes_otherwise_is_refused(
    run: Run, digits: Path, folder: Path, board: FakeBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loses a bit of a bias."""
    store = FakeDevice._store

    def forgetful(device: FakeDevice, argument: int, content: bytes) -> None:
        store(device, argument, content)
        if argument == 2 << 28:
            device.memories[2][1] ^= 0x20

    monkeypatch.setattr(FakeDevice, "_store", forgetful)
    arguments = ("--port", board.port, "--input", digits / "images.npy", "--samples", 1)
    result = run("run", folder, *arguments)
    assert result.exit_code == 2
    assert "the self-test of digits failed: layer conv_2d_0 (Conv2D) differs" in result.stderr
    assert not (folder / "outputs.npy").exists()
    result = run("run", folder, *arguments, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["type"] == "SelfTestError"
    result = run("run", folder, *arguments, "--no-self-test")
    assert (result.exit_code, result.stderr) == (0, "Loading ...\nRunning ...\n")
    assert result.stdout.startswith("self-test left out\n")
    assert (folder / "outputs.npy").exists()


def test_an_image_without_known_answers_is_run(
    run: Run, digits: Path, folder: Path, board: FakeBoard
) -> None:
    content = replace(Image.load(folder / "model.image"), self_test=None).to_bytes()
    (folder / "model.image").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["model.image"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    arguments = ("--port", board.port, "--input", digits / "images.npy", "--samples", 1)
    result = run("run", folder, *arguments)
    assert result.exit_code == 0
    assert result.stdout.startswith("self-test absent: the image has no known answers; generate")
    result = run("run", folder, *arguments, "--json")
    assert json.loads(result.stdout)["self_test"] == {"result": "absent"}


@pytest.mark.parametrize("where", ["file", "manifest", "both"])
def test_labels_name_the_largest_output(
    run: Run, digits: Path, folder: Path, board: FakeBoard, tmp_path: Path, where: str
) -> None:
    options: tuple[object, ...] = ()
    if where != "file":
        names = LABELS if where == "manifest" else ["no"] * 10
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**manifest, "labels": names}))
    if where != "manifest":
        (tmp_path / "labels.txt").write_text("\n".join(LABELS) + "\n\n")
        options = ("--labels", tmp_path / "labels.txt")
    arguments = ("--port", board.port, "--input", digits / "images.npy", "--samples", 2)
    result = run("run", folder, *arguments, *options)
    assert result.exit_code == 0, result.stderr
    for number, output in enumerate(expected(digits, 2)):
        digit = output.argmax()
        assert (
            f"sample {number}: largest output {output.max()} at ({digit}) digit {digit},"
            in result.stdout
        )


def test_an_image_alone_has_no_clock(
    run: Run, digits: Path, folder: Path, board: FakeBoard
) -> None:
    arguments = ("--port", board.port, "--input", digits / "images.npy", "--samples", 1)
    result = run("run", folder / "model.image", *arguments)
    assert result.exit_code == 0, result.stderr
    assert " ms" not in result.stdout
    assert " MHz" not in result.stdout
    assert np.array_equal(np.load(folder / "outputs.npy"), expected(digits, 1))


def test_a_virtual_board_is_started_and_ended(
    run: Run, digits: Path, folder: Path, made: list[Any]
) -> None:
    arguments = ("--virtual", "--input", digits / "images.npy", "--samples", 2)
    result = run("run", folder, *arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == "Compiling ...\nStarting ...\nLoading ...\nTesting ...\nRunning ...\n"
    assert np.array_equal(np.load(folder / "outputs.npy"), expected(digits, 2))
    assert [board.ended for board in made] == [True]


def test_errors_of_a_device_are_one_message(
    run: Run, digits: Path, folder: Path, board: FakeBoard
) -> None:
    board.device.hangs = True
    arguments = ("--port", board.port, "--input", digits / "images.npy")
    result = run("run", folder, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"celosia: error: {board.port}: the run of digits was ended by the" in result.stderr
    result = run("run", folder, *arguments, "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    assert json.loads(result.stdout)["error"]["type"] == "RunError"
    assert not (folder / "outputs.npy").exists()


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("x.npy", None, [], "x.npy: cannot be read"),
        ("x.npy", np.zeros((2, 9, 8, 1), np.int8), [], "the input has the shape (2, 9, 8, 1)"),
        ("x.npy", np.zeros((2, 8, 8, 1), np.uint8), [], "the input's elements are uint8"),
        ("x.npy", np.zeros((2, 8, 8, 1), np.int8), ["--input", "x.npy"], "2 arrays are given"),
        ("x.npy", np.zeros((2, 8, 8, 1), np.int8), ["--labels", "absent"], "absent: cannot be"),
        ("x.npy", np.zeros((2, 8, 8, 1), np.int8), ["--labels", "few"], "few: there are 2 labels"),
        ("x.npy", np.zeros((2, 8, 8, 1), np.int8), ["--labels", "none"], "none: has no labels"),
        ("x.npy", np.zeros((2, 8, 8, 1), np.int8), ["--labels", "x.npy"], "no text in UTF-8"),
        ("x.npy", np.zeros((2, 8, 8, 1), np.int8), [], "port: there is no such port"),
    ],
)
def test_what_is_wrong_with_files_is_found_before_a_port_is_opened(
    run: Run,
    generated: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: Any,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        np.save(tmp_path / name, content)
    (tmp_path / "few").write_text("a\nb\n")
    (tmp_path / "none").write_text("\n")
    result = run("run", generated, "--port", tmp_path / "port", "--input", name, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not (generated / "outputs.npy").exists()


def test_an_absent_folder_is_refused(run: Run, tmp_path: Path, digits: Path) -> None:
    arguments = ("--port", "x", "--input", digits / "images.npy")
    result = run("run", tmp_path / "absent", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "absent: cannot be read" in result.stderr


@pytest.mark.parametrize("command", ["virtual", "run"])
def test_a_virtual_board_without_its_packages_says_what_to_install(
    run: Run, folder: Path, digits: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(sys.modules, "celosia_sim.virtual", None)
    options = ("--virtual", "--input", digits / "images.npy") if command == "run" else ()
    result = run(command, folder, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pip install 'celosia[sim,host]'" in result.stderr


def test_the_virtual_board_lasts_for_its_time(run: Run, folder: Path, made: list[Any]) -> None:
    result = run("virtual", folder, "--seconds", 0.05)
    assert (result.exit_code, result.stderr) == (0, "Compiling ...\nStarting ...\nfor 0.05 s\n")
    assert result.stdout == f"{made[0].port}\n"
    assert made[0].ended
    result = run("virtual", folder, "--seconds", 0, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"port": made[1].port, "baud_rate": 500_000}
    assert made[1].ended
    assert made[1].options == (LinkKind.UART, None)
    run("virtual", folder, "--seconds", 0, "--link", "spi", "--flash")
    assert made[2].options == (LinkKind.SPI, True)


def once(ready: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """A thread that acts as soon as it is time."""

    def wait() -> None:
        end = time.monotonic() + 60
        while not ready():
            if time.monotonic() > end:
                return
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_virtual_board_ends_when_it_is_interrupted(
    run: Run, folder: Path, made: list[Any], number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    # However slow the machine is: not before somebody waits for it, or it would end the tests.
    ready = lambda: signal.getsignal(number) != before  # noqa: E731
    sender = once(ready, lambda: os.kill(os.getpid(), number))
    result = run("virtual", folder, "--json")
    sender.join()
    assert (result.exit_code, result.stderr) == (0, "")
    assert made[0].ended
    assert signal.getsignal(number) == before


def test_a_virtual_board_that_ends_by_itself_is_an_error(
    run: Run, folder: Path, made: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celosia.cli.virtual._LOOK_SECONDS", 0.01)
    # Not before the board serves its port.
    unplugger = once(lambda: bool(made) and made[0].serves, lambda: made[0].unplug())
    result = run("virtual", folder)
    unplugger.join()
    assert result.exit_code == 2
    assert "the virtual board has ended by itself" in result.stderr


def test_the_virtual_board_of_an_absent_folder_is_one_message(
    run: Run, tmp_path: Path, made: list[Any]
) -> None:
    for options in ([], ["--json"]):
        result = run("virtual", tmp_path / "absent", *options)
        assert result.exit_code == 2
        assert "absent/model.image: cannot be read" in result.stderr + result.stdout


def test_running_needs_no_simulator_and_no_hardware_language() -> None:
    code = (
        "import sys, celosia; celosia.Device; "
        "print([m for m in ('celosia_sim', 'amaranth', 'serial', 'cocotb') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout == "[]\n"


def test_every_key_and_error_is_described(
    run: Run, digits: Path, folder: Path, board: FakeBoard
) -> None:
    document = (Path(__file__).resolve().parents[2] / "docs" / "host.md").read_text("utf-8")
    arguments = ("--port", board.port, "--input", digits / "images.npy", "--samples", 1, "--json")
    for key in json.loads(run("run", folder, *arguments).stdout):
        assert f"`{key}`" in document, key
    for name in celosia.host.__all__:
        if name.endswith("Error"):
            assert f"`celosia.host.{name}`" in document or f"| `{name}` |" in document, name
