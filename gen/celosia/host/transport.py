# SPDX-License-Identifier: BSD-2-Clause
"""Lines that carry bytes to a device and back."""

from __future__ import annotations

import os
import re
from typing import Protocol

from .errors import PortError


class Transport(Protocol):
    """A line that carries bytes both ways. ``name`` is for messages; ``bytes_per_second`` is what
    it carries each way at most.

    Raises:
        PortError: (by ``write`` and ``read``) the line is gone or takes nothing any more.
    """

    name: str
    bytes_per_second: float

    def write(self, data: bytes) -> None:
        """Sends all bytes; it may return before they are on the line."""

    def read(self, timeout: float) -> bytes:
        """What has arrived, one byte at least; nothing only once ``timeout`` seconds are over."""

    def close(self) -> None:
        """Gives the line free; more than once is allowed."""


_SPI = re.compile(r"spi:(\d+)\.(\d+)")
_SPI_SOCKET = re.compile(r"spi:(.*/.*)")

#: Seconds to wait for an answer, beside the time that its bytes take.
_TIMEOUT = 0.5
#: The same where the other end is a program of this machine: it loses nothing, and it may be a
#: simulation, which is slow.
_PROGRAM_TIMEOUT = 60.0
#: Pseudo-terminals of Linux and macOS.
_PSEUDO_TERMINALS = ("/dev/pts/", "/dev/ttys")


def default_timeout(port: str) -> float:
    """Seconds to wait for an answer at ``port``."""
    pseudo = os.path.realpath(port).startswith(_PSEUDO_TERMINALS)
    return _PROGRAM_TIMEOUT if pseudo or _SPI_SOCKET.fullmatch(port) else _TIMEOUT


def open_transport(port: str, bit_rate: int, timeout: float) -> Transport:
    """The line called ``port``.

    Args:
        port: a serial port ("/dev/ttyUSB1", "COM3"), a pseudo-terminal's path, a URL of pyserial
            ("socket://host:port"), "spi:BUS.DEVICE" for a device of Linux's spidev, or "spi:PATH"
            for the socket of a virtual board.
        bit_rate: bits a second.
        timeout: seconds that the line may take no bytes.

    Raises:
        PortError: it cannot be opened.
        ToolError: the package that opens it is not installed.
    """
    if bit_rate < 1:
        raise PortError(f"{port}: {bit_rate} bits a second are no speed")
    # Imported late: each needs a package of its own.
    if port.startswith("spi:"):
        from .spi_transport import SocketBus, SpiBus, SpidevBus, SpiTransport

        bus: SpiBus
        if match := _SPI.fullmatch(port):
            bus = SpidevBus(int(match[1]), int(match[2]), bit_rate)
        elif match := _SPI_SOCKET.fullmatch(port):
            bus = SocketBus(match[1])
        else:
            raise PortError(f"{port!r} names no SPI device; write spi:BUS.DEVICE, such as spi:0.1")
        return SpiTransport(port, bus, bit_rate)
    from .serial_transport import SerialTransport

    return SerialTransport(port, bit_rate, timeout)
