# SPDX-License-Identifier: BSD-2-Clause
"""Checks arithmetic of a fixed latency whose registers all hold together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from .cycles import Bench, RandomStalls
from .side_by_side import TWIN


class _Pipeline:
    """Random operands, half of them extreme or 0, in cycles with and without ``enable``."""

    def __init__(
        self,
        bench: Bench,
        operands: Mapping[str, tuple[int, int]],
        results: Callable[..., dict[str, int]],
        latency: int,
        directed: Iterator[Mapping[str, int]],
    ) -> None:
        self.bench = bench
        self.operands = operands
        self.results = results
        self.directed = directed
        self.stall = RandomStalls(bench.rng)
        self.inside: deque[dict[str, int]] = deque(maxlen=latency)
        self.checked = 0
        self.held = 0

    def _draw(self, low: int, high: int) -> int:
        rng = self.bench.rng
        extremes = (low, low + 1, -1, 0, 1, high - 1, high)
        return rng.choice(extremes) if rng.random() < 0.5 else rng.randint(low, high)

    def drive(self) -> None:
        self.enable = not self.stall()
        values = next(self.directed, None) if self.enable else None
        if values is None:
            values = {name: self._draw(*limits) for name, limits in self.operands.items()}
        self.values = values
        self.bench.set("enable", int(self.enable))
        for name, value in values.items():
            self.bench.set(name, value)

    def sample(self) -> None:
        bench = self.bench
        if len(self.inside) == self.inside.maxlen:
            for name, expected in self.inside[0].items():
                for port in (name, name + TWIN):
                    if port in bench.shapes:
                        assert bench.get(port) == expected, (bench.cycle, port)
                        self.checked += 1
            self.held += not self.enable
        if self.enable:
            self.inside.append(self.results(**self.values))


async def check_pipeline(
    bench: Bench,
    operands: Mapping[str, tuple[int, int]],
    results: Callable[..., dict[str, int]],
    *,
    latency: int,
    cycles: int,
    directed: Iterator[Mapping[str, int]] = iter(()),  # noqa: B008
) -> None:
    """Drives ``operands``, names with their ranges, and compares outputs, and those of a twin.

    ``results`` computes the outputs from operands of ``latency`` enabled cycles before. The
    operands of ``directed`` come first.

    Raises:
        AssertionError: an output differs.
    """
    pipeline = _Pipeline(bench, operands, results, latency, directed)
    bench.agents.append(pipeline)
    await bench.step(cycles)
    assert pipeline.held > cycles // 20
    assert pipeline.checked > cycles // 3
    assert next(directed, None) is None, "not all of the directed operands were used"
