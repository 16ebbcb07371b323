# SPDX-License-Identifier: BSD-2-Clause
"""Both ends of streams with payload, valid and ready, and a monitor for their rule.

A transfer happens in a cycle in which valid and ready are both high. Once valid is high, it and the
payload stay as they are until then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .cycles import Bench, Stall, never
from .values import from_bits, to_bits, width_of


class StreamMonitor:
    """Watches an output stream of the block: keeps its transfers and asserts the rule.

    ``values`` are the transferred payloads as ``from_bits`` gives them, ``cycles`` when each of
    them was transferred. Bits of ``may_change`` are exempt from the rule.
    """

    def __init__(self, bench: Bench, name: str, *, may_change: int = 0) -> None:
        self.bench = bench
        self.name = name
        self.shape = bench.shapes[f"{name}__payload"]
        self.values: list[Any] = []
        self.cycles: list[int] = []
        self._compared = ~may_change
        self._waiting: int | None = None
        bench.agents.append(self)

    def drive(self) -> None:
        """Nothing: the block's other side drives ``ready``."""

    def sample(self) -> None:
        bench = self.bench
        where = f"stream {self.name}, cycle {bench.cycle}"
        if not bench.bits(f"{self.name}__valid"):
            assert self._waiting is None, f"{where}: valid fell before ready"
            return
        payload = bench.bits(f"{self.name}__payload")
        if self._waiting is not None:
            changed = (payload ^ self._waiting) & self._compared
            assert not changed, f"{where}: payload changed before ready (bits {changed:#x})"
        if bench.bits(f"{self.name}__ready"):
            self._waiting = None
            value = from_bits(self.shape, payload)
            self.values.append(value)
            self.cycles.append(bench.cycle)
            self.transferred(value)
        else:
            self._waiting = payload

    def transferred(self, value: Any) -> None:
        """Called for each transfer."""

    def reset(self) -> None:
        """The block was reset: what it offered may be gone."""
        self._waiting = None


class StreamSink(StreamMonitor):
    """Takes what an output stream of the block has to give."""

    def __init__(
        self, bench: Bench, name: str, stall: Stall = never, *, may_change: int = 0
    ) -> None:
        super().__init__(bench, name, may_change=may_change)
        self.stall = stall

    def drive(self) -> None:
        self.bench.set_bits(f"{self.name}__ready", int(not self.stall()))


class StreamSource:
    """Feeds an input stream of the block.

    ``cycles`` tells when each value was taken, ``offering`` whether one is offered. While nothing
    is offered the payload is noise. With a value, other inputs can be driven ``beside`` it.
    ``gate`` is asked in each cycle, after the last one was sampled, whether a value may be offered.
    """

    def __init__(
        self,
        bench: Bench,
        name: str,
        stall: Stall = never,
        *,
        gate: Callable[[], bool] | None = None,
    ) -> None:
        self.bench = bench
        self.name = name
        self.shape = bench.shapes[f"{name}__payload"]
        self.stall = stall
        self.gate = gate
        self.cycles: list[int] = []
        self.pending: deque[tuple[int, dict[str, int]]] = deque()
        self._width = width_of(self.shape)
        self.offering = False
        bench.agents.append(self)

    def send(
        self, values: Iterable[Any], beside: Mapping[str, Iterable[Any]] | None = None
    ) -> None:
        """Queues values, as ``to_bits`` takes them."""
        columns = {name: list(column) for name, column in (beside or {}).items()}
        for index, value in enumerate(values):
            extra = {
                name: to_bits(self.bench.shapes[name], column[index])
                for name, column in columns.items()
            }
            self.pending.append((to_bits(self.shape, value), extra))

    @property
    def done(self) -> bool:
        """Whether all values have been taken."""
        return not self.pending

    def drive(self) -> None:
        bench = self.bench
        if not self.offering:
            may = self.gate is None or self.gate()
            self.offering = may and bool(self.pending) and not self.stall()
        if self.offering:
            payload, beside = self.pending[0]
            for name, bits in beside.items():
                bench.set_bits(name, bits)
        else:
            payload = bench.rng.getrandbits(self._width) if self._width else 0
        bench.set_bits(f"{self.name}__payload", payload)
        bench.set_bits(f"{self.name}__valid", int(self.offering))

    def sample(self) -> None:
        if self.offering and self.bench.bits(f"{self.name}__ready"):
            self.pending.popleft()
            self.cycles.append(self.bench.cycle)
            self.offering = False
