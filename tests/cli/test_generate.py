# SPDX-License-Identifier: BSD-2-Clause
"""``celosia generate``: what it writes and says, and every way it can refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import celosia
from celosia.errors import ModelError
from celosia_sim.tflite_writer import ModelBuilder, per_tensor

Run = Callable[..., Result]

FILES = {"top.v", "model.image", "model.h", "model.tflite", "manifest.json"}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """The example, generated for iCEBreaker from Python."""
    folder = tmp_path_factory.mktemp("generated") / "digits"
    celosia.generate(digits / "digits.tflite", board="icebreaker", output=folder)
    return folder


def model_of_size(size: int) -> bytes:
    """One pool of an image with ``size`` pixels on each side."""
    builder = ModelBuilder()
    image = builder.input("image", (1, size, size, 4), per_tensor(0.5, 0))
    builder.output(builder.max_pool_2d(image, window=(3, 3)))
    return builder.build()


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_generate_writes_the_folder_and_says_what_is_in_it(
    run: Run, digits: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out" / "digits"
    result = run("generate", digits / "digits.tflite", "--board", "icebreaker", "-o", folder)
    assert result.exit_code == 0, result.stderr
    assert names(folder) == FILES
    assert names(folder.parent) == {"digits"}
    assert (folder / "model.tflite").read_bytes() == (digits / "digits.tflite").read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["array"] == "4x4"
    assert manifest["macs"] == 109_824
    assert f"predicted {manifest['predicted_cycles']:,} cycles" in result.stdout
    assert f"wrote {folder}" in result.stdout
    assert result.stderr == "Generating ...\n"


def test_json_is_the_manifest_and_nothing_else(
    run: Run, digits: Path, generated: Path, tmp_path: Path
) -> None:
    arguments = ("--board", "icebreaker", "--hardware", generated, "-o", tmp_path / "out")
    result = run("generate", digits / "digits.tflite", *arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert report.pop("output") == str(tmp_path / "out")
    assert report == json.loads((tmp_path / "out" / "manifest.json").read_text())
    # The same model on the same accelerator: the same files, byte for byte.
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (generated / name).read_bytes()


def test_labels_are_in_the_header(run: Run, digits: Path, generated: Path, tmp_path: Path) -> None:
    assert "MODEL_LABELS" not in (generated / "model.h").read_text()
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(f"number {i}" for i in range(10)))
    arguments = ("--board", "icebreaker", "--hardware", generated, "-o", tmp_path / "out")
    result = run("generate", digits / "digits.tflite", *arguments, "--labels", labels)
    assert result.exit_code == 0, result.stderr
    assert '"number 0", \\\n    "number 1", \\' in (tmp_path / "out" / "model.h").read_text()
    labels.write_text("one\ntwo\n")
    result = run("generate", digits / "digits.tflite", *arguments, "--labels", labels)
    assert result.exit_code == 2
    assert "2 labels, but the output fully_connected_8 has 10 elements" in result.stderr


def test_default_folder_is_named_after_the_model(
    run: Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("generate", digits / "digits.tflite", "--board", "icebreaker", "--array", "2x2")
    assert result.exit_code == 0, result.stderr
    assert names(tmp_path / "build" / "digits") == FILES
    assert json.loads(Path("build/digits/manifest.json").read_text())["array"] == "2x2"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("model", "options", "kind", "message"),
    [
        ("absent.tflite", [], "ModelError", "absent.tflite: cannot be read"),
        ("text.tflite", [], "ModelError", "not a TensorFlow Lite model"),
        ("digits.tflite", ["--board", "icebraker"], "BoardError", "did you mean icebreaker"),
        (
            "digits.tflite",
            ["--array", "8x16"],
            "BoardError",
            "icebreaker: the board cannot have an array of 8x16: it needs 128 products a cycle, "
            "the 8 multipliers do 16; the array 4x4 would do",
        ),
        ("large.tflite", [], "FitError", "bytes short"),
        ("digits.tflite", ["--hardware", "absent"], "InputError", "absent/manifest.json: cannot"),
        ("digits.tflite", ["--hardware", "odd"], "InputError", "odd/manifest.json: damaged"),
        ("digits.tflite", ["-o", "text.tflite"], "OutputError", "exists and is not a folder"),
        ("digits.tflite", ["-o", "odd"], "OutputError", "Celosia did not write it"),
    ],
)
def test_refusals_have_one_message_and_leave_nothing(
    run: Run,
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    options: list[str],
    kind: str,
    message: str,
    as_json: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits.tflite").write_bytes((digits / "digits.tflite").read_bytes())
    Path("text.tflite").write_text("This is not a model, it is some text.")
    # An image of 360,000 bytes.
    Path("large.tflite").write_bytes(model_of_size(300))
    Path("odd").mkdir()
    Path("odd/notes.txt").write_text("notes")
    if message == "odd/manifest.json: damaged":
        Path("odd/manifest.json").write_text('{"model": "odd"}')
    before = names(tmp_path)
    arguments = ["--board", "icebreaker", "-o", "out", *options, *(["--json"] if as_json else [])]
    result = run("generate", model, *arguments)
    assert result.exit_code == 2
    if as_json:
        assert result.stderr == ""
        error = json.loads(result.stdout)["error"]
        assert error["type"] == kind
        assert message in error["message"]
    else:
        assert result.stdout == ""
        assert message in result.stderr.split("celosia: error: ")[1]
    assert names(tmp_path) == before
    assert Path("odd/notes.txt").read_text() == "notes"


def test_from_python_the_same_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="absent.tflite: cannot be read"):
        celosia.generate(tmp_path / "absent.tflite", board="icebreaker", output=tmp_path / "out")
    assert names(tmp_path) == set()
