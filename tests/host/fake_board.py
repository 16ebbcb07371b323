# SPDX-License-Identifier: BSD-2-Clause
"""A fake device behind a pseudo-terminal, for what opens a port by its name."""

from __future__ import annotations

import os
import select
import threading
import tty
from types import TracebackType

from .fake_device import FakeDevice


class FakeBoard:
    """Serves ``device`` at the pseudo-terminal ``port`` while its block lasts."""

    baud_rate = 1_000_000

    def __init__(self, device: FakeDevice) -> None:
        self.device = device
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self.port = os.ttyname(self._theirs)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._serve)

    @property
    def serves(self) -> bool:
        """Whether its block has begun, and it is still plugged in."""
        return self._thread.is_alive()

    def __enter__(self) -> FakeBoard:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Ends the pseudo-terminal; more than once is allowed."""
        if self._ours < 0:
            return
        os.write(self._stopped, b"!")
        self._thread.join()
        for file in (self._ours, self._theirs, self._stop, self._stopped):
            os.close(file)
        self._ours = -1

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._ours, self._stop], [], [])
            if self._stop in ready:
                return
            answer = self.device.receive(os.read(self._ours, 1024))
            while answer:
                answer = answer[os.write(self._ours, answer) :]
