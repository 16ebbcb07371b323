# SPDX-License-Identifier: BSD-2-Clause
"""SPI: devices of Linux, by spidev, in mode 0 with the most significant bit first; and those of
virtual boards, behind a socket of this machine."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any, NoReturn, Protocol

from celosia.errors import ToolError
from celosia_hw.link.protocol import FLAG

from .errors import PortError

#: Bytes of one transfer: spidev's default buffer holds 4096.
_TRANSFER = 2048
#: Seconds that a simulation may take for a transfer.
_SOCKET_TIMEOUT = 60.0
#: Flags that are sent at a time while an answer is awaited.
_IDLE = bytes((FLAG,)) * 64


class SpiBus(Protocol):
    """What transfers bytes.

    Raises:
        OSError: (by ``transfer``) it does not work any more.
    """

    def transfer(self, data: bytes) -> bytes:
        """As many bytes as ``data`` has, which come back while they are sent."""

    def close(self) -> None:
        """More than once is allowed."""


class SpidevBus:
    """The device /dev/spidevBUS.DEVICE."""

    def __init__(self, bus: int, device: int, bit_rate: int) -> None:
        try:
            import spidev
        except ModuleNotFoundError:
            raise ToolError(
                "SPI needs the package spidev (Linux only), which is not installed: "
                "pip install 'celosia[spi]' installs it"
            ) from None
        self._spi: Any = spidev.SpiDev()
        try:
            self._spi.open(bus, device)
            self._spi.mode = 0
            self._spi.max_speed_hz = bit_rate
        except (OSError, ValueError) as error:
            self.close()
            raise PortError(
                f"spi:{bus}.{device}: cannot be opened: {error}; is /dev/spidev{bus}.{device} "
                "there, and may you use it?"
            ) from None

    def transfer(self, data: bytes) -> bytes:
        return bytes(self._spi.xfer2(list(data)))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._spi.close()


class SocketBus:
    """A socket that answers each byte with the one that came back."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_SOCKET_TIMEOUT)
        try:
            self._socket.connect(path)
        except OSError as error:
            self.close()
            raise PortError(
                f"spi:{path}: cannot be opened: {error.strerror or error}; does the virtual board "
                "run?"
            ) from None

    def transfer(self, data: bytes) -> bytes:
        self._socket.sendall(data)
        received = bytearray()
        while len(received) < len(data):
            part = self._socket.recv(len(data) - len(received))
            if not part:
                raise OSError("the other side has gone")
            received += part
        return bytes(received)

    def close(self) -> None:
        self._socket.close()


class SpiTransport:
    """A ``Transport`` over a bus.

    Each byte that is sent brings one back; what are flags alone, as the device sends them while it
    has nothing to say, is dropped.
    """

    def __init__(self, name: str, bus: SpiBus, bit_rate: int) -> None:
        self.name = name
        self.bytes_per_second = bit_rate / 8
        self._bus = bus
        self._arrived = bytearray()
        self._inside = False

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _TRANSFER):
            self._transfer(data[start : start + _TRANSFER])

    def read(self, timeout: float) -> bytes:
        end = time.monotonic() + timeout
        while not self._arrived:
            self._transfer(_IDLE)
            if time.monotonic() >= end:
                break
        data = bytes(self._arrived)
        self._arrived.clear()
        return data

    def close(self) -> None:
        self._bus.close()

    def _transfer(self, data: bytes) -> None:
        try:
            received = self._bus.transfer(data)
        except (OSError, ValueError) as error:
            self._gone(error)
        if self._inside or received.strip(_IDLE):
            # The flag that begins a frame may have been among those that were dropped.
            self._arrived += received if self._inside else bytes((FLAG,)) + received
            self._inside = received[-1] != FLAG

    def _gone(self, error: Exception) -> NoReturn:
        raise PortError(f"{self.name}: the transfer failed: {error}") from None
