# SPDX-License-Identifier: BSD-2-Clause
"""The far side of a serial line (8 data bits, no parity, 1 stop bit), cycle by cycle.

Bit lengths are counted in the block's clock cycles and need not be whole: so the two sides' clocks
differ, and edges fall anywhere.
"""

from __future__ import annotations

from collections import deque

from .cycles import Bench, Stall, never


def frame(value: int, *, stop: int = 1) -> list[int]:
    """The ten bits of a byte on the line."""
    return [0, *(value >> bit & 1 for bit in range(8)), stop]


class SerialSource:
    """Sends to an input of the block, in bits of ``cycles_per_bit`` clock cycles."""

    def __init__(
        self, bench: Bench, name: str, cycles_per_bit: float, stall: Stall = never
    ) -> None:
        self.bench = bench
        self.name = name
        self.cycles_per_bit = cycles_per_bit
        self.stall = stall
        self.pending: deque[tuple[int, float]] = deque()
        #: The time at which each level that was sent began.
        self.starts: list[float] = []
        self._level = 1
        self._until = 0.0
        bench.agents.append(self)

    def send(self, data: bytes) -> None:
        """Queues bytes; before each the line is idle for as many bits as ``stall`` says."""
        for value in data:
            while self.stall():
                self.level(1, 1.0)
            for bit in frame(value):
                self.level(bit, 1.0)

    def level(self, level: int, bits: float) -> None:
        """Queues a level of the line for ``bits`` bit times."""
        self.pending.append((level, bits * self.cycles_per_bit))

    @property
    def done(self) -> bool:
        """Whether everything was sent."""
        return not self.pending and self.bench.cycle >= self._until

    def drive(self) -> None:
        if not self.pending and self._until < self.bench.cycle:
            self._until = float(self.bench.cycle)
        while self.bench.cycle >= self._until and self.pending:
            self._level, cycles = self.pending.popleft()
            self.starts.append(self._until)
            self._until += cycles
        self.bench.set_bits(self.name, self._level)

    def sample(self) -> None:
        """Nothing: nobody answers on this line."""


class SerialSink:
    """Receives from an output of the block; asserts that each stop bit is high.

    ``starts`` are the cycles in which the start bits began.
    """

    def __init__(self, bench: Bench, name: str, cycles_per_bit: float) -> None:
        self.bench = bench
        self.name = name
        self.cycles_per_bit = cycles_per_bit
        self.values: list[int] = []
        self.starts: list[int] = []
        self._bits: list[int] | None = None
        bench.agents.append(self)

    def drive(self) -> None:
        """Nothing: this side only listens."""

    def sample(self) -> None:
        level = self.bench.bits(self.name)
        if self._bits is None:
            if level:
                return
            self._bits = []
            self.starts.append(self.bench.cycle)
        middle = self.starts[-1] + (len(self._bits) + 0.5) * self.cycles_per_bit
        if self.bench.cycle < middle:
            return
        self._bits.append(level)
        if len(self._bits) == 10:
            start, *data, stop = self._bits
            assert (start, stop) == (0, 1), f"cycle {self.bench.cycle}: a byte without its frame"
            self.values.append(sum(bit << index for index, bit in enumerate(data)))
            self._bits = None
