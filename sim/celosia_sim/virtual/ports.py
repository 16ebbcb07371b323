# SPDX-License-Identifier: BSD-2-Clause
"""This machine's side of a virtual board: what a host's program opens."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import tty
from pathlib import Path
from types import TracebackType

#: Seconds of a wait, after which somebody looks whether the board is to stop.
_WAIT = 0.1
#: Bytes that are taken at once.
_CHUNK = 256


class _Port:
    """Bytes to and from a program; ``port`` in the working folder names it, complete or not at
    all."""

    def __init__(self, work: Path, name: str) -> None:
        self._announcement = work / "port"
        part = work / "port.part"
        part.write_text(json.dumps(name))
        part.rename(self._announcement)

    def close(self) -> None:
        self._announcement.unlink(missing_ok=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class PseudoTerminal(_Port):
    """A terminal without echo or any other change to what passes."""

    def __init__(self, work: Path) -> None:
        self._ours, self._theirs = os.openpty()
        # It stays open here, so that programs may come and go.
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        super().__init__(work, os.ttyname(self._theirs))

    def __enter__(self) -> PseudoTerminal:
        return self

    def read(self, *, wait: bool) -> bytes:
        """What a program has sent; with ``wait``, for a moment until there is something."""
        ready, _, _ = select.select([self._ours], [], [], _WAIT if wait else 0)
        if not ready:
            return b""
        return os.read(self._ours, _CHUNK)

    def write(self, data: bytes) -> None:
        """Sends bytes to the program; what nobody reads is lost, as on a line."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._ours, data)

    def close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)
        super().close()


class SpiSocket(_Port):
    """A socket of this machine, one program at a time. What arrives at once is a transfer; as many
    bytes come back."""

    def __init__(self, work: Path) -> None:
        self._path = work / "spi"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._path))
        self._listener.listen(1)
        self._connection: socket.socket | None = None
        super().__init__(work, f"spi:{self._path}")

    def __enter__(self) -> SpiSocket:
        return self

    def read(self, *, wait: bool) -> bytes:
        """As ``PseudoTerminal.read``."""
        source = self._connection or self._listener
        ready, _, _ = select.select([source], [], [], _WAIT if wait else 0)
        if not ready:
            return b""
        if self._connection is None:
            self._connection, _ = self._listener.accept()
            return b""
        with contextlib.suppress(ConnectionError):
            if data := self._connection.recv(_CHUNK):
                return data
        self._connection.close()
        self._connection = None
        return b""

    def write(self, data: bytes) -> None:
        """Sends bytes to the program."""
        if self._connection is not None:
            with contextlib.suppress(ConnectionError):
                self._connection.sendall(data)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._listener.close()
        self._path.unlink(missing_ok=True)
        super().close()
