# SPDX-License-Identifier: BSD-2-Clause
"""Real ports of the system: pseudo-terminals and sockets; SPI with an object in spidev's place."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from celosia.compiler.image import Image
from celosia.errors import ToolError
from celosia.host.device import Device
from celosia.host.errors import NoAnswerError, PortError
from celosia.host.transport import default_timeout, open_transport
from celosia_hw.link.protocol import FLAG

from .fake_board import FakeBoard
from .fake_device import FakeDevice

serial = pytest.importorskip("serial")
pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="has no pseudo-terminals")


def test_a_model_runs_through_a_pseudo_terminal(
    image: Image, folder: Path, images: Any, expected: Any
) -> None:
    with FakeBoard(FakeDevice(image)) as board:
        with Device.open(board.port, baud_rate=board.baud_rate) as device:
            device.load(folder)
            assert np.array_equal(device(images[:5]), expected[:5].reshape(5, 10))
            assert device.retries == 0
        # Once more, with whatever numbers the device has by now.
        with Device.open(board.port) as device:
            device.load(folder / "model.image")
            assert np.array_equal(device(images[5]), expected[5].reshape(10))


def test_a_board_that_is_unplugged(image: Image, folder: Path, images: Any) -> None:
    with FakeBoard(FakeDevice(image)) as board:
        with Device.open(board.port) as device:
            device.load(folder)
            device(images[0])
            board.unplug()
            for _ in range(2):
                with pytest.raises(PortError, match="is the cable connected"):
                    device(images[0])


def test_nobody_at_the_other_end(image: Image) -> None:
    ours, theirs = os.openpty()
    try:
        begin = time.monotonic()
        with pytest.raises(NoAnswerError, match="no answer in 3 attempts; is it the right port"):
            Device.open(os.ttyname(theirs), timeout=0.05, attempts=3)
        assert time.monotonic() - begin >= 0.15
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_port_that_takes_nothing(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads at the other end, and the buffer is full: an error, not a wait for ever."""
    ours, theirs = os.openpty()
    try:
        transport = open_transport(os.ttyname(theirs), 1_000_000, 0.05)
        with pytest.raises(PortError, match="takes no bytes"):
            for _ in range(100):
                transport.write(bytes(4096))
        transport.close()
        transport.close()
    finally:
        os.close(ours)
        os.close(theirs)


def test_programs_at_pseudo_terminals_have_more_time(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    try:
        (tmp_path / "link").symlink_to(os.ttyname(theirs))
        assert default_timeout(os.ttyname(theirs)) == default_timeout(str(tmp_path / "link")) == 60
    finally:
        os.close(ours)
        os.close(theirs)
    for port in ("/dev/ttyUSB1", "COM3", "spi:0.1", "socket://localhost:1"):
        assert default_timeout(port) == 0.5


def test_a_port_has_one_user(image: Image) -> None:
    with FakeBoard(FakeDevice(image)) as board:
        with Device.open(board.port):
            with pytest.raises(PortError, match="another program uses it"):
                Device.open(board.port)


def test_ports_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="there is no such port; this machine has"):
        Device.open(str(tmp_path / "absent"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PortError, match="file: cannot be opened: "):
        Device.open(str(tmp_path / "file"))
    with pytest.raises(PortError, match="cannot be opened: "):
        Device.open("frobnicate://x")
    with pytest.raises(PortError, match="0 bits a second are no speed"):
        Device.open("/dev/null", baud_rate=0)


def test_a_port_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise serial.SerialException(13, "could not open port")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(PortError, match="you may not use it; on Linux add yourself to the group"):
        Device.open("/dev/ttyUSB1")


@pytest.mark.parametrize("failure", [None, ValueError, OSError, AttributeError])
def test_low_latency_is_asked_for_and_not_needed(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception] | None
) -> None:
    asked = []

    def set_low_latency_mode(value: bool) -> None:
        asked.append(value)
        if failure is not None:
            raise failure("not here")

    port = SimpleNamespace(set_low_latency_mode=set_low_latency_mode, close=lambda: None)
    monkeypatch.setattr(serial, "serial_for_url", lambda *_, **__: port)
    open_transport("/dev/ttyUSB1", 1_000_000, 1).close()
    assert asked == [True]


def test_a_model_runs_through_a_socket(
    image: Image, folder: Path, images: Any, expected: Any
) -> None:
    device = FakeDevice(image)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(1024):
                    connection.sendall(device.receive(data))

        thread = threading.Thread(target=serve)
        thread.start()
        with Device.open(f"socket://127.0.0.1:{server.getsockname()[1]}") as host:
            host.load(folder)
            assert np.array_equal(host(images[:3]), expected[:3].reshape(3, 10))
        thread.join()


@pytest.mark.parametrize(
    ("module", "port", "message"),
    [
        ("serial", "/dev/ttyUSB1", "pip install 'celosia[host]'"),
        ("spidev", "spi:0.1", "pip install 'celosia[spi]'"),
    ],
)
def test_a_package_that_is_missing_is_told(
    monkeypatch: pytest.MonkeyPatch, module: str, port: str, message: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ToolError) as caught:
        Device.open(port)
    assert message in str(caught.value)


class FakeSpi:
    """Stands for ``spidev.SpiDev``, with a device that answers a byte for each that it gets."""

    def __init__(self, device: FakeDevice, delay: int) -> None:
        self.device = device
        self.delay = delay
        self.mode = self.max_speed_hz = -1
        self.opened: tuple[int, int] | None = None
        self.closed = False
        self.transfers: list[int] = []
        self._answer = bytearray()

    def open(self, bus: int, device: int) -> None:
        if bus > 9:
            raise FileNotFoundError(2, "No such file or directory")
        self.opened = (bus, device)

    def close(self) -> None:
        self.closed = True

    def xfer2(self, data: list[int]) -> list[int]:
        assert 0 < len(data) <= 4096
        self.transfers.append(len(data))
        received = []
        for byte in data:
            if self._answer:
                received.append(self._answer.pop(0))
            else:
                received.append(FLAG)
            if answer := self.device.receive(bytes((byte,))):
                self._answer += bytes((FLAG,)) * self.delay + answer
        return received


@pytest.fixture
def spi(image: Image, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> FakeSpi:
    fake = FakeSpi(FakeDevice(image), getattr(request, "param", 0))
    monkeypatch.setitem(sys.modules, "spidev", SimpleNamespace(SpiDev=lambda: fake))
    return fake


@pytest.mark.parametrize("spi", [0, 1, 61, 62, 63, 64, 65, 1000], indirect=True)
def test_a_model_runs_through_spi(spi: FakeSpi, folder: Path, images: Any, expected: Any) -> None:
    with Device.open("spi:1.2", baud_rate=2_000_000) as device:
        assert (spi.opened, spi.mode, spi.max_speed_hz) == ((1, 2), 0, 2_000_000)
        device.load(folder)
        assert np.array_equal(device(images[:2]), expected[:2].reshape(2, 10))
        assert device.retries == 0
    assert spi.closed


def test_spi_devices_that_cannot_be_opened(spi: FakeSpi) -> None:
    with pytest.raises(PortError, match=r"spi:10\.0: cannot be opened.*is /dev/spidev10\.0 there"):
        Device.open("spi:10.0")
    assert spi.closed
    for port in ("spi:", "spi:1", "spi:1.2.3", "spi:a.b"):
        with pytest.raises(PortError, match=r"write spi:BUS\.DEVICE"):
            Device.open(port)


def test_a_transfer_that_fails_is_told(spi: FakeSpi, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: list[int]) -> list[int]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(spi, "xfer2", fail)
    with pytest.raises(PortError, match=r"spi:0\.0: the transfer failed"):
        Device.open("spi:0.0")


@pytest.mark.parametrize("idle", [0x00, 0xFF, FLAG])
def test_an_spi_line_with_nothing_at_it(
    spi: FakeSpi, monkeypatch: pytest.MonkeyPatch, idle: int
) -> None:
    monkeypatch.setattr(spi, "xfer2", lambda data: [idle] * len(data))
    with pytest.raises(NoAnswerError):
        Device.open("spi:0.0", timeout=0.01, attempts=2)
