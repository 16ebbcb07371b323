# SPDX-License-Identifier: BSD-2-Clause
"""A line that loses, damages, repeats, invents and holds back bytes."""

from __future__ import annotations

import random


class FaultyLine:
    """One direction of a line, in order. Faults come by chance, from ``seed``.

    Args:
        rate: probability, for each byte, that something happens to it.
        late: probability, for each call of ``send``, that what is behind some byte stays on the
            way until ``release``.
    """

    def __init__(self, seed: int, rate: float = 0.0, late: float = 0.0) -> None:
        self._chance = random.Random(seed)
        self.rate = rate
        self.late = late
        #: How many faults there were.
        self.faults = 0
        self._held = b""

    def send(self, data: bytes) -> bytes:
        """What arrives at once."""
        chance = self._chance
        arriving = bytearray(self._held)
        self._held = b""
        for byte in data:
            if chance.random() >= self.rate:
                arriving.append(byte)
                continue
            self.faults += 1
            kind = chance.randrange(5)
            if kind == 1:
                arriving.append(byte ^ 1 << chance.randrange(8))
            elif kind == 2:
                arriving += bytes((byte, byte))
            elif kind == 3:
                arriving += bytes((chance.randrange(256), byte))
            elif kind == 4:
                arriving += chance.randbytes(chance.randrange(1, 20))
        if arriving and chance.random() < self.late:
            self.faults += 1
            cut = chance.randrange(len(arriving))
            self._held = bytes(arriving[cut:])
            del arriving[cut:]
        return bytes(arriving)

    def release(self) -> bytes:
        """What was held back, which arrives now."""
        held, self._held = self._held, b""
        return held
