# SPDX-License-Identifier: BSD-2-Clause
"""Links and devices on lines that lose, damage, repeat and delay what they carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celosia.compiler.image import Image
from celosia.host.accelerator import RemoteAccelerator
from celosia.host.errors import (
    DamagedLinkError,
    DeviceError,
    NoAnswerError,
    RequestError,
    StateLostError,
)
from celosia.host.link import PIECE_BYTES, Link
from celosia_hw.isa import Register, Space
from celosia_hw.link.protocol import Result, Unstuffer, answer, stuff

from .conftest import connect
from .fake_device import FakeDevice, FakeLine, Faults

BAD = {
    "lost": Faults(lost=0.15),
    "cut": Faults(cut=0.15),
    "flipped": Faults(flipped=0.15),
    "noise": Faults(noise=0.15),
    "twice": Faults(twice=0.2),
    "all": Faults(lost=0.04, cut=0.04, flipped=0.04, noise=0.04, twice=0.04),
}


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is late arrives at the next read here, so nothing has to be waited for."""
    monkeypatch.setattr("celosia.host.link._PAUSE", 0.001)


@pytest.mark.parametrize("back", [*BAD, "late", "everything"])
@pytest.mark.parametrize("there", list(BAD))
def test_whatever_is_written_is_read(image: Image, there: str, back: str) -> None:
    """Random requests on a bad line: the device's memory and what is read are always right."""
    faults = {
        **BAD,
        "late": Faults(late=0.15),
        "everything": Faults(lost=0.03, cut=0.03, flipped=0.03, noise=0.03, twice=0.03, late=0.05),
    }[back]
    device = FakeDevice(image)
    line = FakeLine(device, there=BAD[there], back=faults, seed=len(there) * 31 + len(back))
    link = Link(line, attempts=30)
    link.identify(8)
    random = np.random.default_rng([1, *there.encode(), *back.encode()])
    memory = bytearray(device.memories[0])
    weights = bytearray(device.memories[1])
    for _ in range(300):
        choice = random.integers(5)
        length = 4 * int(random.integers(1, 40))
        address = 4 * int(random.integers((len(memory) - length) // 4))
        if choice == 0:
            assert link.read(address, length) == memory[address : address + length]
        elif choice == 1:
            data = random.bytes(length)
            link.write(Space.SCRATCH, address, data)
            memory[address : address + length] = data
        elif choice == 2:
            stride = image.config.weight_stride
            rows = int(random.integers(1, 5))
            address = stride * int(random.integers(len(weights) // stride - rows))
            data = random.bytes(rows * stride)
            link.write(Space.WEIGHTS, address, data)
            weights[address : address + len(data)] = data
        elif choice == 3:
            value = int(random.integers(1 << 32))
            link.set(Register.WATCHDOG, value)
            assert device.values[Register.WATCHDOG] == value
        else:
            assert link.registers(Register.CONFIG, 1) == [image.config.fingerprint]
        if random.random() < 0.02:
            assert link.identify(2)[4:] == image.config.fingerprint.to_bytes(4, "little")
    assert device.memories[0] == memory
    assert device.memories[1] == weights
    assert line.faults_there > 20
    assert line.faults_back > 20
    assert link.retries > 10 or there == "twice" or back == "twice"


def test_each_request_has_its_effect_once(image: Image) -> None:
    device = FakeDevice(image)
    line = FakeLine(device, there=BAD["all"], back=BAD["all"], seed=5)
    link = Link(line, attempts=30)
    link.identify(8)
    values = list(range(1, 1500))
    for value in values:
        link.set(Register.WATCHDOG, value)
    assert [argument for _, _, argument in device.done] == values
    assert link.retries > 300


@pytest.mark.parametrize("seed", range(6))
def test_models_run_right_on_bad_lines(
    image: Image, folder: Path, images: Any, expected: Any, seed: int
) -> None:
    everything = Faults(lost=0.03, cut=0.03, flipped=0.03, noise=0.03, twice=0.03, late=0.05)
    line = FakeLine(FakeDevice(image, seed=seed), there=BAD["all"], back=everything, seed=seed)
    host = connect(line, attempts=30)
    host.load(folder)
    assert np.array_equal(host(images[:20]), expected.reshape(20, 10))
    # Nothing was taken for a reset, so every run was started exactly once, the self-test too.
    assert line.device.runs == 21
    assert host.recoveries == 0
    assert host.retries > 20


@pytest.mark.parametrize("seed", range(40))
def test_hopeless_lines_end_in_an_error_or_the_right_result(
    image: Image, folder: Path, images: Any, expected: Any, seed: int
) -> None:
    bad = Faults(lost=0.1, cut=0.1, flipped=0.1, noise=0.1, twice=0.1, late=0.1)
    line = FakeLine(FakeDevice(image, seed=seed), there=bad, back=bad, seed=seed)
    try:
        host = connect(line, attempts=5)
        host.load(folder)
        results = [host(x) for x in images[:3]]
    except (DamagedLinkError, NoAnswerError):
        return
    assert np.array_equal(results, expected[:3].reshape(3, 10))


@pytest.mark.parametrize(
    ("there", "back", "kind", "message"),
    [
        (Faults(lost=1), Faults(), NoAnswerError, "no answer in 8 attempts; is it the right port"),
        (Faults(), Faults(lost=1), NoAnswerError, "does the board have power, is the bitstream"),
        (Faults(), Faults(flipped=1), NoAnswerError, "what arrives are no answers"),
    ],
)
def test_a_line_without_answers(
    image: Image, there: Faults, back: Faults, kind: type[DeviceError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        connect(FakeLine(FakeDevice(image), there=there, back=back))
    assert message in str(caught.value)


def test_a_line_that_gets_bad(image: Image) -> None:
    line = FakeLine(FakeDevice(image))
    link = Link(line)
    link.identify(8)
    line.back = Faults(flipped=1)
    with pytest.raises(DamagedLinkError, match=r"did not set WATCHDOG to 0x7 in 8 attempts.*7 rep"):
        link.set(Register.WATCHDOG, 7)
    line.back = Faults(lost=1)
    with pytest.raises(NoAnswerError, match="does not answer any more"):
        link.set(Register.WATCHDOG, 7)
    line.back = Faults()
    # The ones that were given up were done, or not: the next one is not taken for one of them.
    link.set(Register.WATCHDOG, 8)
    assert line.device.values[Register.WATCHDOG] == 8
    assert link.retries == 14


def test_refused_requests_say_why(image: Image) -> None:
    device = FakeDevice(image)
    link = Link(FakeLine(device))
    link.identify(8)
    for request, result, message in (
        (lambda: link.read(1 << 20, 4), Result.ADDRESS, "does not have all of that memory"),
        (lambda: link.write(0, 2, b"1234"), Result.ADDRESS, "write 4 bytes at 0x2 of SCRATCH"),
        (lambda: link.write(0, 0, b""), Result.LENGTH, "no words were asked for"),
        (lambda: link.set(Register.STATUS, 0), Result.COMMAND, "register cannot be set"),
        (lambda: link.set(Register.CONFIG, 0), Result.MISMATCH, "it has another value"),
    ):
        with pytest.raises(RequestError) as caught:
            request()
        assert caught.value.result == result
        assert message in str(caught.value)
    device._busy = 100
    with pytest.raises(RequestError, match="a run is busy"):
        link.read(0, 4)
    assert "unknown reason (result 99)" in str(RequestError("do it", 99))


@pytest.mark.parametrize("last", range(256))
def test_a_reset_is_noticed_with_any_number(image: Image, last: int) -> None:
    device = FakeDevice(image)
    link = Link(FakeLine(device))
    link._last = last
    device.last = last
    link._certain = True
    for done in range(3):
        device.reset()
        with pytest.raises(StateLostError, match="lost count"):
            link.set(Register.WATCHDOG, 1)
        device.last = link._last
        link._certain = True
        link.set(Register.WATCHDOG, done)
    assert device.done[-1] == (3, Register.WATCHDOG, 2)


def test_an_answer_of_another_length_is_an_earlier_ones(image: Image) -> None:
    """A line that first brings an answer with the right number to another READ."""

    class Line(FakeLine):
        def write(self, data: bytes) -> None:
            (frame,) = Unstuffer().feed(data)
            self._arrived += stuff(answer(frame[1], Result.OK, bytes(4)))
            super().write(data)

    device = FakeDevice(image)
    link = Link(Line(device))
    link.identify(8)
    assert link.read(64, 12) == device.memories[0][64:76]
    link.set(Register.WATCHDOG, 5)
    assert device.values[Register.WATCHDOG] == 5
    assert link.retries == 0


def test_any_bytes_of_the_scratchpad_are_accessed(image: Image) -> None:
    device = FakeDevice(image)
    link = Link(FakeLine(device))
    link.identify(8)
    accelerator = RemoteAccelerator(link)
    random = np.random.default_rng(4)
    memory = bytearray(device.memories[0])
    for length in (*range(1, 20), 4095, 4096, 4097, 9999):
        for offset in range(5):
            address = 4 * int(random.integers(1000)) + offset
            data = random.bytes(length)
            accelerator.write_scratch(address, data)
            memory[address : address + length] = data
            assert device.memories[0] == memory
            address = int(random.integers(4000))
            assert accelerator.read_scratch(address, length) == memory[address : address + length]


def test_pieces_are_read_in_order(image: Image) -> None:
    device = FakeDevice(image)
    link = Link(FakeLine(device))
    link.identify(8)
    length = 2 * PIECE_BYTES + 12
    assert link.read(8, length) == device.memories[0][8 : 8 + length]
