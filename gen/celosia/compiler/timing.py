# SPDX-License-Identifier: BSD-2-Clause
"""Predicts a program's cycles, with rings that fill while the array computes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from celosia.compiler.conflicts import READ_INTERVAL, conflicts
from celosia.compiler.cycles import base_overhead, group_times, overhead, step_cycles
from celosia.compiler.parameters import rows
from celosia.compiler.step import Step
from celosia.compiler.streams import Stream
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode, Source

#: Cycles from SETUP until the first unit arrives, from the scratchpad and from outside.
START = {Source.RESIDENT: 0, Source.SCRATCH: 20, Source.EXTERNAL: 45}


class _Ring:
    """Arrival times of rows. Row j arrives ``period`` after the one before, at the earliest when
    row ``j - depth`` has been freed."""

    def __init__(self, stream: Stream, rate: float, total: int, delay: float) -> None:
        units = stream.row_bytes / 4
        self.active = stream.source != Source.RESIDENT
        self.scratch = stream.source == Source.SCRATCH
        external = stream.source == Source.EXTERNAL
        self.units = units
        self.period = units * max(1.0, 4 / rate) if external else units
        self._depth = stream.depth
        self._total = total
        self._taken = 0
        self._times: list[float] = []
        self._last = START[stream.source] + delay
        self._freed: list[float] = []
        self._advance()

    def _advance(self) -> None:
        """Computes all arrivals that rows freed until now decide."""
        while len(self._times) < min(self._total, len(self._freed) + self._depth):
            number = len(self._times)
            free = self._freed[number - self._depth] if number >= self._depth else 0.0
            self._last = max(self._last, free) + self.period
            self._times.append(self._last)

    def take(self, count: int) -> list[float]:
        """Arrival times of the next ``count`` rows."""
        self._taken += count
        return self._times[self._taken - count : self._taken]

    def free(self, times: Sequence[float]) -> None:
        self._freed += times
        self._advance()

    def reads(self, begin: float, end: float) -> float:
        """Units that are read from the scratchpad between two times."""
        if not (self.active and self.scratch):
            return 0.0
        return (bisect_right(self._times, end) - bisect_right(self._times, begin)) * self.units


class _Rings:
    def __init__(
        self,
        steps: Sequence[Step],
        weights: Stream,
        parameters: Stream,
        config: AcceleratorConfig,
        external_rate: float,
    ) -> None:
        total = sum(rows(s, config) for s in steps if s.parameters is not None)
        self.parameters = _Ring(parameters, external_rate, total, 0)
        delay = 0.0
        if parameters.source == weights.source == Source.SCRATCH:
            # Parameters go first.
            delay = min(total, parameters.depth) * self.parameters.period
        words = sum(len(s.weights) * s.weight_words for s in steps if s.weights is not None)
        self.weights = _Ring(weights, external_rate, words, delay)


def predict(
    steps: Sequence[Step],
    bases: dict[int, int],
    weights: Stream,
    parameters: Stream,
    config: AcceleratorConfig,
    external_rate: float,
) -> list[int]:
    """Cycles of SETUP and of each step.

    ``bases`` has the address of each storage; ``external_rate`` is in bytes a cycle.
    """
    rings = _Rings(steps, weights, parameters, config, external_rate)
    now = float(base_overhead(Opcode.SETUP, config))
    cycles = [round(now)]
    for step in steps:
        begin = now
        if step.opcode == Opcode.FILL:
            now += step_cycles(step, config)
        else:
            now = _compute(step, rings, now, config)
            lost = conflicts(step, bases, config)
            reads = rings.weights.reads(begin, now) + rings.parameters.reads(begin, now)
            now += lost.writes + min(reads, lost.crowded / READ_INTERVAL)
        cycles.append(round(now) - round(begin))
    return cycles


def _compute(step: Step, rings: _Rings, now: float, config: AcceleratorConfig) -> float:
    """When a step is complete that begins ``now``."""
    full, last = group_times(step, config)
    groups = step.groups.count
    loads_weights = rings.weights.active and step.weights is not None
    loads_parameters = rings.parameters.active
    if not loads_weights and not loads_parameters:
        return now + step_cycles(step, config)
    now += overhead(step, config)
    words = step.weight_words
    per_group = 1 if step.uniform else rows(step, config) // groups
    single = step.lines.count * step.positions.count == 1 and not step.weights_shared
    for group in range(groups):
        time = last if group == groups - 1 else full
        first_pass = now + time.taps
        if loads_weights and not (step.weights_shared and group):
            # Word k is used k cycles after the first one, at the earliest.
            arrived = _take(rings.weights, words, single=single)
            first_pass = max(first_pass, *(t + words - k for k, t in enumerate(arrived)))
        if loads_parameters and not (step.uniform and group):
            first_pass = max(first_pass, rings.parameters.take(per_group)[-1] + 1)
        end = first_pass + time.total - time.taps
        ends_use = not step.weights_shared or group == groups - 1
        if loads_weights and ends_use and not single:
            rings.weights.free([end - words + k for k in range(words)])
        if loads_parameters and (not step.uniform or group == groups - 1):
            rings.parameters.free([end] * per_group)
        now = end
    return now


def _take(ring: _Ring, words: int, *, single: bool) -> list[float]:
    """Arrival times; with a single position each word is freed as soon as it is used."""
    if not single:
        return ring.take(words)
    times = []
    for _ in range(words):
        arrival = ring.take(1)
        ring.free(arrival)
        times += arrival
    return times
