# SPDX-License-Identifier: BSD-2-Clause
"""Models whose weights are in the board's flash: they run if it holds them, else are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import celosia
from celosia.compiler.image import Image, ImageSpace
from celosia.host.device import Device
from celosia.host.errors import IncompatibleError
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Boot, Register
from celosia_hw.link.protocol import Command
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

from .conftest import connect, fake, reference
from .fake_device import FakeDevice, FakeLine

#: So small that only a ``small`` model's weights are in its memories.
CONFIG = AcceleratorConfig(
    output_channels=4, input_channels=4, scratch_bytes=4096, weight_depth=32, parameter_depth=64
)


def layer(seed: int, outputs: int) -> bytes:
    """A fully connected layer; models of two seeds differ in weights and biases alone."""
    random = np.random.default_rng(seed)
    builder = ModelBuilder()
    x = builder.input("x", (1, 96), per_tensor(0.5, -3))
    weights = random.integers(-127, 128, (outputs, 96)).astype(np.int8)
    bias = random.integers(-1000, 1000, outputs).astype(np.int32)
    scales = per_channel([0.002])
    builder.output(builder.fully_connected(x, weights, bias, scales, per_tensor(0.9, 7)))
    return builder.build()


def generated(folder: Path, model: bytes) -> Path:
    """A folder of a model on an accelerator of ``CONFIG``."""
    file = folder.with_suffix(".tflite")
    file.write_bytes(model)
    celosia.generate(file, board="icebreaker", config=CONFIG, output=folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two streaming models, ``trained`` and ``retrained``, and a ``small`` one."""
    root = tmp_path_factory.mktemp("streaming")
    models = {"trained": layer(1, 64), "retrained": layer(2, 64), "small": layer(3, 4)}
    return {name: generated(root / name, model) for name, model in models.items()}


@pytest.fixture(scope="module")
def images(folders: dict[str, Path]) -> dict[str, Image]:
    found = {name: Image.load(folder / "model.image") for name, folder in folders.items()}
    assert [image.streams for image in found.values()] == [True, True, False]
    return found


@pytest.fixture
def x() -> Any:
    return np.random.default_rng(4).integers(-128, 128, (2, 96)).astype(np.int8)


def check(device: Device, folder: Path, x: Any) -> None:
    """Loads a model and compares all bytes of its results."""
    fake(device).image = Image.load(folder / "model.image")
    device.load(folder)
    (wanted,) = reference(folder / "model.tflite", [[row[np.newaxis]] for row in x])
    assert np.array_equal(device(x), wanted.reshape(len(x), -1))


def test_weights_are_left_out(folders: dict[str, Path], images: dict[str, Image], x: Any) -> None:
    image = images["trained"]
    device = connect(FakeLine(FakeDevice(image, flash=image)))
    check(device, folders["trained"], x)
    written = {
        argument >> 28 for command, _, argument in fake(device).done if command == Command.WRITE
    }
    assert written <= {ImageSpace.SCRATCH, ImageSpace.WEIGHTS, ImageSpace.PARAMETERS}


def test_other_models_may_run_in_between(
    folders: dict[str, Path], images: dict[str, Image], x: Any
) -> None:
    line = FakeLine(FakeDevice(images["trained"], flash=images["trained"]))
    for name in ("small", "trained", "small", "trained"):
        # A host of its own, which knows nothing of the one before.
        check(connect(line), folders[name], x)


def test_a_reset_in_between_is_survived(
    folders: dict[str, Path], images: dict[str, Image], x: Any
) -> None:
    device = connect(FakeLine(FakeDevice(images["trained"], flash=images["trained"])))
    check(device, folders["trained"], x)
    fake(device).reset()
    (wanted,) = reference(folders["trained"] / "model.tflite", [[x[:1]]])
    assert np.array_equal(device(x[0]), wanted.reshape(-1))
    assert device.recoveries == 1
    # As if somebody had programmed another model meanwhile.
    fake(device).flash = images["retrained"]
    fake(device).reset()
    with pytest.raises(IncompatibleError, match="booted another image"):
        device(x[0])


@pytest.mark.parametrize(
    ("flash", "boot", "message"),
    [
        (None, Boot.NONE, "its design does not boot from flash"),
        ("trained", Boot.FAILED, "it found no good image there when it booted"),
        ("retrained", Boot.DONE, "it booted another image from there"),
        ("small", Boot.DONE, "it booted another image from there"),
    ],
)
@pytest.mark.parametrize("busy", [False, True])
def test_without_its_weights_a_model_is_refused(
    folders: dict[str, Path],
    images: dict[str, Image],
    x: Any,
    flash: str | None,
    boot: Boot,
    message: str,
    busy: bool,
) -> None:
    board = FakeDevice(images["small"], flash=images[flash] if flash else None)
    board.boot = boot
    board.reset()
    device = connect(FakeLine(board))
    check(device, folders["small"], x)
    if busy:
        # Another host went away in the middle of a run.
        board.busy_polls = 1000
        board._start()
    before = len(board.done)
    match = f"trained streams its weights from the board's flash.*{message}.*'celosia program'"
    with pytest.raises(IncompatibleError, match=match):
        device.load(folders["trained"])
    assert all(
        command == Command.SET and number == Register.CONTROL
        for command, number, _ in board.done[before:]
    )
    assert (len(board.done) > before) == busy
    # What was loaded before is still there.
    board.busy_polls = 1
    (wanted,) = reference(folders["small"] / "model.tflite", [[x[:1]]])
    assert np.array_equal(device(x[0]), wanted.reshape(-1))


def test_the_same_model_generated_otherwise_is_another_image(images: dict[str, Image]) -> None:
    """Its checksum is not only that of the weights."""
    image = images["trained"]
    board = FakeDevice(image, flash=replace(image, external_rate=0.25))
    device = connect(FakeLine(board))
    with pytest.raises(IncompatibleError, match="booted another image"):
        device._accelerator.check(image)
