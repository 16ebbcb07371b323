# SPDX-License-Identifier: BSD-2-Clause
"""A ring memory as its user sees it: rows that arrive, and that the user frees."""

from __future__ import annotations

from .cycles import Bench, Stall, never


class Ring:
    """Drives ``level``, or ``arrived`` if the user counts by itself, and listens to ``freed``.

    ``to_come`` rows arrive one by one, whenever ``stall`` lets them and there is room. ``arrived``
    and ``freed`` count from the ring's start on; ``available`` and ``gone`` are what they were when
    the cycle began, which is what the user can know.
    """

    def __init__(
        self, bench: Bench, depth: int, stall: Stall = never, *, pulses: bool = False
    ) -> None:
        self.bench, self.depth, self.stall, self.pulses = bench, depth, stall, pulses
        self.arrives = False
        self.to_come = self.arrived = self.freed = self.available = self.gone = 0
        bench.agents.append(self)

    def drive(self) -> None:
        self.available, self.gone = self.arrived, self.freed
        room = self.arrived - self.freed < self.depth
        self.arrives = bool(self.to_come) and room and not self.stall()
        if self.pulses:
            self.bench.set("arrived", int(self.arrives))
        else:
            self.bench.set("level", self.arrived - self.freed)

    def sample(self) -> None:
        self.freed += self.bench.get("freed")
        assert self.freed <= self.available, "rows are freed that have not arrived"
        self.arrived += self.arrives
        self.to_come -= self.arrives

    def check_use(self, row: int) -> None:
        """Asserts that ``row``, counted from the ring's start on, may be read in this cycle."""
        assert self.gone <= row < self.available, f"row {row} of {self.gone}..{self.available}"
