# SPDX-License-Identifier: BSD-2-Clause
"""Serial ports, by pyserial: 8 data bits, no parity, one stop bit, no flow control."""

from __future__ import annotations

import contextlib
import errno
import time
from typing import Any, NoReturn

from celosia.errors import ToolError

from .errors import PortError

#: Bits of a byte with its start and stop bit.
_BITS_PER_BYTE = 10
#: A read returns at the first byte, and looks at its timeout this often, in seconds. (To change
#: pyserial's own timeout configures the port anew.)
_SLICE = 0.02
#: No request has more bytes.
_WRITE_LIMIT = 1 << 14
#: Most bytes that one read returns, so that a line full of noise cannot keep it.
_READ_LIMIT = 1 << 16


class SerialTransport:
    """A ``Transport`` over whatever pyserial opens by the name ``port``."""

    def __init__(self, port: str, baud_rate: int, timeout: float) -> None:
        try:
            import serial
        except ModuleNotFoundError:
            raise ToolError(
                "serial ports need the package pyserial, which is not installed: "
                "pip install 'celosia[host]' installs it"
            ) from None
        self.name = port
        self.bytes_per_second = baud_rate / _BITS_PER_BYTE
        try:
            self._port: Any = serial.serial_for_url(
                port,
                baudrate=baud_rate,
                timeout=_SLICE,
                # Without it a port that takes nothing would block for ever.
                write_timeout=timeout + _WRITE_LIMIT / self.bytes_per_second,
                exclusive=True,
            )
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise PortError(_why_not_opened(port, error)) from None
        # FTDI's bridges hold bytes back for 16 ms unless told otherwise.
        with contextlib.suppress(AttributeError, NotImplementedError, OSError, ValueError):
            self._port.set_low_latency_mode(True)

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as error:
            self._gone(error)

    def read(self, timeout: float) -> bytes:
        end = time.monotonic() + timeout
        data = bytearray()
        try:
            while not data:
                data += self._port.read(1)
                if time.monotonic() >= end:
                    break
            while len(data) < _READ_LIMIT and data and (waiting := self._port.in_waiting):
                data += self._port.read(waiting)
        except (OSError, TypeError) as error:
            # pyserial works on None where the port was closed by another thread.
            self._gone(error)
        return bytes(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._port.close()

    def _gone(self, error: Exception) -> NoReturn:
        raise PortError(
            f"{self.name}: the port is gone or takes no bytes ({error}); is the cable connected, "
            "and does the board have power?"
        ) from None


def _why_not_opened(port: str, error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    if number == errno.EACCES:
        return (
            f"{port}: you may not use it; on Linux add yourself to the group that owns it "
            f"(sudo usermod -a -G dialout $USER) and log in again"
        )
    if number == errno.ENOENT or "FileNotFoundError" in text:
        return f"{port}: there is no such port; {_ports()}"
    if "exclusively lock" in text:
        return f"{port}: another program uses it; end that one"
    return f"{port}: cannot be opened: {text}"


def _ports() -> str:
    from serial.tools.list_ports import comports

    names = sorted(found.device for found in comports())
    if not names:
        return "this machine has no serial port; is the board connected?"
    return f"this machine has {', '.join(names)}"
