# SPDX-License-Identifier: BSD-2-Clause
"""Devices of another kind, that hang, disappear, or are reset: an error, or the right result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import celosia
from celosia.compiler.image import Image
from celosia.host.device import Device
from celosia.host.errors import (
    DeviceError,
    IncompatibleError,
    NoAnswerError,
    RunError,
    StateLostError,
)

from .conftest import connect, fake
from .fake_device import STUCK_AT, FakeDevice, FakeLine


class ResetAfter(FakeLine):
    """Resets the device behind so many requests; if ``again``, behind each so many. With
    ``same_number`` the sequence number happens to be that of before."""

    reset_after: int | None = None
    again = False
    same_number = False
    _count = 0

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.reset_after is None:
            return
        if self._count == self.reset_after:
            number = self.device.last
            self.device.reset()
            if self.same_number:
                self.device.last = number
            self._count = 0
            if not self.again:
                self.reset_after = None
        else:
            self._count += 1


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("ident", 0x12345678, "no accelerator of Celosia: its IDENT is 0x12345678"),
        ("ident", 0x43454C01, "version 1 of the instruction set, this version of Celosia has 2"),
        ("link_version", 9, "version 9 of the protocol, this version of Celosia has 1"),
    ],
)
def test_what_is_no_accelerator_of_this_version_is_refused(
    image: Image, attribute: str, value: int, message: str
) -> None:
    device = FakeDevice(image)
    setattr(device, attribute, value)
    with pytest.raises(IncompatibleError, match=message):
        connect(FakeLine(device))


def test_a_boot_from_flash_is_waited_for(
    image: Image, monkeypatch: pytest.MonkeyPatch, folder: Path, images: Any, expected: Any
) -> None:
    device = FakeDevice(image)
    device.boot_polls = 3
    host = connect(FakeLine(device))
    assert device.boot_polls == 0
    host.load(folder)
    assert np.array_equal(host(images[0]), expected[0].reshape(10))
    monkeypatch.setattr("celosia.host.accelerator._BOOT_SECONDS", 0)
    device.boot_polls = 1000
    with pytest.raises(DeviceError, match="does not end to boot"):
        connect(FakeLine(device))


def test_the_watchdog_names_the_layer(
    device: Device, folder: Path, image: Image, images: Any, expected: Any
) -> None:
    device.load(folder)
    fake(device).hangs = True
    with pytest.raises(RunError, match="ended by the watchdog") as caught:
        device(images[:1])
    info = image.instructions[STUCK_AT]
    assert caught.value.instruction == STUCK_AT
    assert caught.value.layer == image.layers[info.layer].name
    assert f"at instruction {STUCK_AT} ({info.opcode}, in layer {caught.value.layer}" in str(
        caught.value
    )
    # It works again as soon as nothing hangs.
    fake(device).hangs = False
    assert np.array_equal(device(images[0]), expected[0].reshape(10))


def test_a_run_without_end_is_given_up(
    device: Device, folder: Path, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.load(folder)
    fake(device).busy_polls = 1 << 40
    monkeypatch.setattr("celosia.host.accelerator._SLOWEST_HZ", 1e9)
    with pytest.raises(RunError, match="goes on after"):
        device(images[:1])


def test_a_clock_that_stands_still_is_found(
    device: Device, folder: Path, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.load(folder)
    monkeypatch.setattr(fake(device), "_poll", lambda: None)
    monkeypatch.setattr("celosia.host.accelerator._STILL_SECONDS", 0.05)
    with pytest.raises(RunError, match="goes on after"):
        device(images[:1])


def requests_of_a_run(folder: Path, image: Image, images: Any) -> int:
    line = FakeLine(FakeDevice(image))
    host = connect(line)
    host.load(folder)
    line.dies_after = 1 << 20
    host(images[:1])
    return (1 << 20) - line.dies_after


def test_a_device_that_disappears(folder: Path, image: Image, images: Any, expected: Any) -> None:
    """Wherever it does, an error says so; and it can be used again when it is back."""
    for requests in range(requests_of_a_run(folder, image, images)):
        line = FakeLine(FakeDevice(image, seed=requests))
        host = connect(line)
        host.load(folder)
        line.dies_after = requests
        with pytest.raises(NoAnswerError, match="does not answer any more"):
            host(images[:1])
        line.dies_after = None
        line.device.reset()
        assert np.array_equal(host(images[0]), expected[0].reshape(10))


def test_a_device_that_is_reset_gets_everything_again(
    folder: Path, image: Image, images: Any, expected: Any
) -> None:
    """Wherever in a run it happens, the result is right."""
    total = requests_of_a_run(folder, image, images)
    recovered = 0
    for requests in range(total):
        line = ResetAfter(FakeDevice(image, seed=requests))
        host = connect(line)
        host.load(folder)
        assert np.array_equal(host(images[1]), expected[1].reshape(10))
        line.reset_after = requests
        assert np.array_equal(host(images[0]), expected[0].reshape(10))
        assert np.array_equal(host(images[2]), expected[2].reshape(10))
        recovered += host.recoveries
    assert recovered == total


@pytest.mark.parametrize("same_number", [False, True])
def test_a_device_that_is_reset_while_it_is_loaded(
    folder: Path, image: Image, images: Any, expected: Any, same_number: bool
) -> None:
    counting = FakeLine(FakeDevice(image))
    host = connect(counting)
    counting.dies_after = 1 << 20
    host.load(folder, self_test=False)
    total = (1 << 20) - counting.dies_after
    # The last ones have numbers that are not those of a device that was reset.
    moments = [*range(total - 6 if same_number else total)]
    if not same_number:
        # In the self-test, too.
        host.load(folder)
        moments += range(total, (1 << 20) - counting.dies_after - total, 5)
    for requests in moments:
        line = ResetAfter(FakeDevice(image, seed=requests))
        line.same_number = same_number
        host = connect(line)
        line.reset_after = requests
        host.load(folder, self_test=not same_number)
        assert np.array_equal(host(images[0]), expected[0].reshape(10))
        assert line.reset_after is None


def test_a_device_that_is_reset_between_two_samples(
    device: Device, folder: Path, images: Any, expected: Any
) -> None:
    """Even if its number happens to be the same."""
    device.load(folder)
    for number in range(3):
        last = fake(device).last
        fake(device).reset()
        fake(device).last = last
        # Before the first sample there is no run whose end could be missed.
        if number == 0:
            device.load(folder)
        assert np.array_equal(device(images[number]), expected[number].reshape(10))
    assert device.recoveries == 2


def test_a_device_that_is_reset_again_and_again_is_an_error(
    folder: Path, image: Image, images: Any
) -> None:
    line = ResetAfter(FakeDevice(image))
    host = connect(line)
    host.load(folder)
    line.reset_after, line.again = 3, True
    with pytest.raises(StateLostError, match="was it reset"):
        host(images[:1])


def test_another_device_at_the_same_port_is_found(
    tmp_path: Path, folder: Path, image: Image, images: Any
) -> None:
    other = tmp_path / "other"
    celosia.generate(folder / "model.tflite", board="icebreaker", array=(2, 2), output=other)
    line = FakeLine(FakeDevice(image))
    host = connect(line)
    host.load(folder)
    line.device = FakeDevice(Image.load(other / "model.image"))
    with pytest.raises(IncompatibleError, match="generate the model with --hardware"):
        host(images[:1])
