# SPDX-License-Identifier: BSD-2-Clause
"""SPI devices of Linux, by spidev: mode 0, most significant bit first."""

from __future__ import annotations

import contextlib
import time
from typing import Any, NoReturn

from celosia.errors import ToolError
from celosia_hw.link.protocol import FLAG

from .errors import PortError

#: Bytes of one transfer: spidev's default buffer holds 4096.
_TRANSFER = 2048
#: Flags that are sent at a time while an answer is awaited.
_IDLE = bytes((FLAG,)) * 64


class SpiTransport:
    """A ``Transport`` over the device /dev/spidevBUS.DEVICE.

    Each byte that is sent brings one back; what are flags alone, as the device sends them while it
    has nothing to say, is dropped.
    """

    def __init__(self, bus: int, device: int, bit_rate: int) -> None:
        try:
            import spidev
        except ModuleNotFoundError:
            raise ToolError(
                "SPI needs the package spidev (Linux only), which is not installed: "
                "pip install 'celosia[spi]' installs it"
            ) from None
        self.name = f"spi:{bus}.{device}"
        self.bytes_per_second = bit_rate / 8
        self._arrived = bytearray()
        self._inside = False
        self._spi: Any = spidev.SpiDev()
        try:
            self._spi.open(bus, device)
            self._spi.mode = 0
            self._spi.max_speed_hz = bit_rate
        except (OSError, ValueError) as error:
            self.close()
            raise PortError(
                f"{self.name}: cannot be opened: {error}; is /dev/spidev{bus}.{device} there, and "
                "may you use it?"
            ) from None

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
        with contextlib.suppress(OSError):
            self._spi.close()

    def _transfer(self, data: bytes) -> None:
        try:
            received = bytes(self._spi.xfer2(list(data)))
        except (OSError, ValueError) as error:
            self._gone(error)
        if self._inside or received.strip(_IDLE):
            # The flag that begins a frame may have been among those that were dropped.
            self._arrived += received if self._inside else bytes((FLAG,)) + received
            self._inside = received[-1] != FLAG

    def _gone(self, error: Exception) -> NoReturn:
        raise PortError(f"{self.name}: the transfer failed: {error}") from None
