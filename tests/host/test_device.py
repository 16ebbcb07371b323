# SPDX-License-Identifier: BSD-2-Clause
"""``celosia.Device``: equals the reference in every byte, and says what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import celosia
from celosia.compiler.image import Image, ImageError
from celosia.compiler.self_test import checks
from celosia.errors import InputError
from celosia.host.device import Device
from celosia.host.errors import IncompatibleError
from celosia.tensors import span
from celosia_hw.isa import Control, Register
from celosia_hw.link.protocol import Command

from .conftest import connect, fake
from .fake_device import FakeDevice, FakeLine


def test_device_is_exported() -> None:
    assert celosia.Device is Device


@pytest.mark.parametrize("what", ["folder", "image"])
def test_a_batch_equals_the_reference(
    what: str, device: Device, folder: Path, images: Any, expected: Any
) -> None:
    device.load(folder if what == "folder" else folder / "model.image")
    outputs = device(images[:5])
    assert outputs.dtype == np.int8
    assert np.array_equal(outputs, expected[:5].reshape(5, 10))
    # And the self-test.
    assert (device.retries, device.recoveries, fake(device).runs) == (0, 0, 6)
    assert device.clock_mhz == (24 if what == "folder" else None)


def test_the_form_of_the_output_follows_that_of_the_input(
    device: Device, folder: Path, images: Any, expected: Any
) -> None:
    device.load(folder)
    one = images[0]
    assert one.shape == (8, 8, 1)
    for given, wanted in (
        (one, (10,)),
        (one[np.newaxis], (1, 10)),
        (one[np.newaxis, np.newaxis], (1, 1, 10)),
        (images[:3], (3, 10)),
        (images[:3, np.newaxis], (3, 1, 10)),
    ):
        result = device(given)
        assert result.shape == wanted
        count = len(given) if len(wanted) > 1 else 1
        assert np.array_equal(result.reshape(count, 10), expected[:count].reshape(count, 10))


def test_floating_point_samples_are_quantized(
    device: Device, folder: Path, images: Any, expected: Any
) -> None:
    device.load(folder)
    (info,) = device.inputs
    assert (info.name, info.dtype, info.shape) == (
        device.image.graph_inputs[0],
        "int8",
        (1, 8, 8, 1),
    )
    assert info.scale is not None
    real = info.scale * (images[:3].astype(np.float64) - info.zero_point)
    for dtype in (np.float32, np.float64):
        assert np.array_equal(device(real.astype(dtype)), expected[:3].reshape(3, 10))


def test_figures_of_the_last_run(device: Device, folder: Path, image: Image, images: Any) -> None:
    device.load(folder)
    assert device.last_run is None
    device(images[:2])
    run = device.last_run
    assert run is not None
    assert run.cycles == image.cycles + 5
    assert run.milliseconds == pytest.approx(run.cycles / 24_000)
    assert run.status & 0xFF == 2
    assert [layer.name for layer in run.layers] == [layer.name for layer in image.layers]
    # SETUP counts to the first layer.
    setup = image.instructions[0].cycles
    wanted = [layer.cycles for layer in image.layers]
    assert [layer.cycles for layer in run.layers] == [wanted[0] + setup, *wanted[1:]]


def test_what_is_set_before_a_run(device: Device, folder: Path, image: Image) -> None:
    device.load(folder, self_test=False)
    done = fake(device).done
    assert done[:3] == [
        (Command.SET, Register.IDENT, 0x43454C02),
        (Command.SET, Register.CONFIG, image.config.fingerprint),
        (Command.SET, Register.CONTROL, 1 << Control.RESET),
    ]
    assert done[-3:] == [
        (Command.SET, Register.START, image.entry),
        (Command.SET, Register.WATCHDOG, 2 * image.cycles + 100_000),
        (Command.SET, Register.BREAKPOINT, 0),
    ]
    written = sum(4 * count for command, count, _ in done if command == Command.WRITE)
    assert written == sum(len(section.data) for section in image.sections)


def test_progress_of_loading_is_told(device: Device, folder: Path, image: Image) -> None:
    told: list[tuple[str, float, float | None, str]] = []
    device.load(folder, lambda *what: told.append(what))
    read = sum(span(check.port) for check in checks(image))
    names = {layer.name for layer in image.layers}
    for stage, total, parts in (
        ("load", sum(len(section.data) for section in image.sections), {"scratch", "weights"}),
        ("test", read, names),
    ):
        of_stage = [what for what in told if what[0] == stage]
        assert {whole for _, _, whole, _ in of_stage} == {total}
        done = [part for _, part, _, _ in of_stage]
        assert done == sorted(done)
        assert (done[0], done[-1]) == (0, total)
        assert {what for *_, what in of_stage} >= parts | {""}
    assert [stage for stage, *_ in told] == sorted(stage for stage, *_ in told)


def test_clock_and_labels_come_from_the_folder(
    device: Device, folder: Path, image: Image, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["labels"] = [f"digit {n}" for n in range(10)]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    device.load(copy)
    assert device.labels == tuple(f"digit {n}" for n in range(10))
    # The clock of a bitstream that was built for this accelerator counts more than the board's.
    built = {"fingerprint": image.config.fingerprint, "clock_mhz": 20.5}
    (copy / "build.json").write_text(json.dumps(built))
    device.load(copy)
    assert device.clock_mhz == 20.5
    (copy / "build.json").write_text(json.dumps({**built, "fingerprint": 1}))
    device.load(copy)
    assert device.clock_mhz == 24
    (copy / "manifest.json").unlink()
    (copy / "build.json").unlink()
    device.load(copy)
    assert device.clock_mhz is None
    assert device.labels == ()
    (copy / "manifest.json").write_text("[]")
    with pytest.raises(InputError, match=r"manifest\.json: damaged"):
        device.load(copy)


def test_a_wrong_clock_does_not_make_runs_long(
    image: Image, folder: Path, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a millionth of a megahertz a run would take hours; the device is asked before."""
    slept: list[float] = []
    monkeypatch.setattr("celosia.host.accelerator.time.sleep", slept.append)
    device = connect(FakeLine(FakeDevice(image)), clock_mhz=1e-6)
    device.load(folder)
    device(images[0])
    assert max(slept) <= 2


def test_a_given_clock_counts_more(image: Image, folder: Path) -> None:
    device = connect(FakeLine(FakeDevice(image)), clock_mhz=12.0)
    device.load(folder)
    assert device.clock_mhz == 12.0


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((8, 7, 1), np.int8), "the input has the shape (8, 7, 1)"),
        (np.zeros(64, np.int8), "the input has the shape (64,)"),
        (np.int8(3), "the input has the shape ()"),
        (np.zeros((2, 2, 8, 8, 1), np.int8), "the input has the shape (2, 2, 8, 8, 1)"),
        (np.zeros((0, 8, 8, 1), np.int8), "no samples"),
        (np.zeros((8, 8, 1), np.uint8), "the input's elements are uint8"),
        (np.zeros((8, 8, 1), np.int64), "the input's elements are int64"),
        (np.zeros((8, 8, 1), bool), "the input's elements are bool"),
        (np.full((8, 8, 1), np.nan), "not finite"),
        (np.full((8, 8, 1), np.inf), "not finite"),
        ((np.zeros((8, 8, 1), np.int8),) * 2, "2 arrays are given"),
        ({"x": np.zeros((8, 8, 1), np.int8)}, "arrays are given for 'x'"),
        ({}, "arrays are given for nothing"),
        ([[1, 2], [3]], "inhomogeneous"),
        (None, "the input has the shape ()"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    device: Device, folder: Path, x: Any, message: str
) -> None:
    device.load(folder)
    before = len(fake(device).done)
    with pytest.raises(InputError) as caught:
        device(x)
    assert message in str(caught.value)
    assert len(fake(device).done) == before


def test_a_model_must_be_loaded_first(device: Device, images: Any) -> None:
    with pytest.raises(InputError, match="no model is loaded; call load"):
        device(images[:1])


def test_a_model_for_another_accelerator_is_refused(
    device: Device, tmp_path: Path, folder: Path, images: Any, expected: Any
) -> None:
    device.load(folder)
    before = list(fake(device).done)
    other = tmp_path / "other"
    celosia.generate(folder / "model.tflite", board="icebreaker", array=(2, 2), output=other)
    with pytest.raises(IncompatibleError, match=r"fake: .*\(2x2\).*--hardware"):
        device.load(other)
    assert fake(device).done == before
    # The one before is still there.
    assert np.array_equal(device(images[0]), expected[0].reshape(10))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], "should have"),
        (lambda data: data[:200] + bytes((data[200] ^ 1,)) + data[201:], "checksum is wrong"),
        (lambda data: data[:8] + b"\7" + data[9:], "version 7 of the image format"),
        (lambda data: b"", "not an image"),
    ],
)
def test_a_damaged_image_is_refused(
    device: Device, folder: Path, tmp_path: Path, damage: Any, message: str
) -> None:
    file = tmp_path / "damaged.image"
    file.write_bytes(damage((folder / "model.image").read_bytes()))
    with pytest.raises(ImageError, match=message):
        device.load(file)
    with pytest.raises(ImageError, match=r"absent: cannot be read"):
        device.load(tmp_path / "absent")
    assert fake(device).done == []


def test_the_port_is_closed(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    line = FakeLine(FakeDevice(image))
    monkeypatch.setattr("celosia.host.device.open_transport", lambda *_: line)
    with Device.open("port") as device:
        assert device.retries == 0
    assert line.closed
    line = FakeLine(FakeDevice(image))
    line.device.ident = 0
    with pytest.raises(IncompatibleError):
        Device.open("port")
    assert line.closed
