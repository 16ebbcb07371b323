# SPDX-License-Identifier: BSD-2-Clause
"""``celosia inspect``: what it tells of good, unsupported and broken files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from celosia.errors import CelosiaError
from celosia.inspect import inspect
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

Run = Callable[..., Result]


def small_model(*, dead: bool = False) -> bytes:
    """A convolution of 4 to 3 channels, one of them without weights if ``dead``."""
    random = np.random.default_rng(5)
    builder = ModelBuilder()
    image = builder.input("image", (1, 5, 6, 4), per_tensor(0.5, -3))
    weights = random.integers(1, 127, (3, 3, 3, 4)).astype(np.int8)
    weights[0, 0, 0, :2] = 0
    if dead:
        weights[1] = 0
    bias = np.array([5, -7, 100], np.int32)
    hidden = builder.conv_2d(
        image, weights, bias, per_channel([0.01, 0.02, 0.03]), per_tensor(0.25, 4)
    )
    kernel = random.integers(1, 127, (2, 90)).astype(np.int8)
    logits = builder.fully_connected(
        builder.reshape(hidden, (1, 90)), kernel, None, per_tensor(0.02, 0), per_tensor(2.0, 0)
    )
    builder.output(builder.softmax(logits))
    return builder.build()


def unsupported_model() -> bytes:
    """An operator that is not supported behind one that is."""
    builder = ModelBuilder()
    image = builder.input("image", (1, 4, 4, 2), per_tensor(0.5, -3))
    pooled = builder.max_pool_2d(image, window=(2, 2))
    result = builder.tensor("elu", (1, 3, 3, 2), per_tensor(0.5, -3))
    builder.operator("ELU", [pooled], [result])
    builder.output(result)
    return builder.build()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "small.tflite").write_bytes(small_model())
    return tmp_path / "small.tflite"


def as_json(result: Result) -> Any:
    return json.loads(result.stdout)


def test_report_counts_what_is_in_the_file(run: Run, model: Path) -> None:
    result = run("inspect", model, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    report = as_json(result)
    assert report["model"] == "small"
    assert report["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert report["supported"] is True
    assert report["problems"] == []
    assert report["inputs"] == [
        {"name": "image", "shape": [1, 5, 6, 4], "type": "int8", "scale": 0.5, "zero_point": -3}
    ]
    operators = report["operators"]
    assert [(operator["index"], operator["op"]) for operator in operators] == [
        (0, "CONV_2D"),
        (1, "RESHAPE"),
        (2, "FULLY_CONNECTED"),
        (3, "SOFTMAX"),
    ]
    convolution = operators[0]
    assert convolution["macs"] == 5 * 6 * 3 * 3 * 3 * 4
    assert (convolution["weights"], convolution["zero_weights"]) == (108, 2)
    assert convolution["output"]["shape"] == [1, 5, 6, 3]
    assert report["total"] == {
        "macs": 5 * 6 * 108 + 180,
        "weights": 108 + 180,
        "zero_weights": 2,
        "dead_channels": 0,
    }
    assert report["optimized"]["macs"] == report["total"]["macs"]


def test_dead_channels_are_counted_and_gone_after_optimization(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dead.tflite").write_bytes(small_model(dead=True))
    report = as_json(run("inspect", tmp_path / "dead.tflite", "--json"))
    assert report["operators"][0]["dead_channels"] == 1
    assert report["total"]["dead_channels"] == 1
    assert report["optimized"]["dead_channels"] == 0
    assert report["optimized"]["weights"] < report["total"]["weights"]


def test_text_shows_every_operator(run: Run, model: Path) -> None:
    result = run("inspect", model)
    assert result.exit_code == 0
    for text in ("CONV_2D", "FULLY_CONNECTED", "1x5x6x4", "0.25 * (q - 4)", "0.5 * (q + 3)"):
        assert text in result.stdout
    assert "All operators are supported." in result.stdout
    assert f"{5 * 6 * 108 + 180:,} MACs; 288 weights, of which 2 are zero" in result.stdout


def test_an_unsupported_model_is_described_with_its_problems(run: Run, tmp_path: Path) -> None:
    (tmp_path / "elu.tflite").write_bytes(unsupported_model())
    result = run("inspect", tmp_path / "elu.tflite", "--json")
    assert result.exit_code == 0
    report = as_json(result)
    assert report["supported"] is False
    assert [operator["op"] for operator in report["operators"]] == ["MAX_POOL_2D", "ELU"]
    assert report["total"] is None
    problems = {(problem["operator_index"], problem["operator"]) for problem in report["problems"]}
    assert (1, "ELU") in problems
    assert all(problem["reason"] and problem["remedy"] for problem in report["problems"])
    text = run("inspect", tmp_path / "elu.tflite").stdout
    assert "Not supported:\n  operator 1 ELU: " in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "the file is empty"),
        (b"PK\x03\x04 and so on", "it looks like a zip archive"),
        (b"\x1c\0\0\0TFL3" + bytes(40), "the file is corrupt"),
    ],
)
def test_a_file_that_is_no_model_ends_in_one_message(
    run: Run, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "broken.tflite"
    if content is not None:
        file.write_bytes(content)
    result = run("inspect", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"celosia: error: {file}: ")
    assert message in result.stderr

    result = run("inspect", file, "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    error = as_json(result)["error"]
    assert error["type"] == "ModelError"
    assert message in error["message"]


def test_damaged_files_end_in_a_report_or_an_error(tmp_path: Path) -> None:
    good = small_model()
    random = np.random.default_rng(11)
    reports = errors = 0
    for _ in range(300):
        damaged = bytearray(good)
        for _ in range(random.integers(1, 6)):
            damaged[random.integers(8, len(good))] = random.integers(256)
        file = tmp_path / "damaged.tflite"
        file.write_bytes(damaged)
        try:
            json.dumps(inspect(file), allow_nan=False)
            reports += 1
        except CelosiaError:
            errors += 1
    assert reports > 20
    assert errors > 20
