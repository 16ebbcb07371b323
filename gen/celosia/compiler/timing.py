# SPDX-License-Identifier: BSD-2-Clause
"""Predicts a program's cycles, with rings that fill while the array computes."""

from __future__ import annotations

from collections.abc import Sequence

from celosia.compiler.cycles import OVERHEAD, group_times, step_cycles
from celosia.compiler.parameters import rows
from celosia.compiler.step import Step
from celosia.compiler.streams import Stream
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode, Source

#: Cycles from SETUP until the first unit arrives, from the scratchpad and from outside.
START = {Source.SCRATCH: 20, Source.EXTERNAL: 45}


class _Ring:
    """Arrival times of rows. Row j arrives ``period`` after the one before, at the earliest when
    row ``j - depth`` has been freed."""

    def __init__(self, stream: Stream, rate: float) -> None:
        units = stream.row_bytes / 4
        self.active = stream.source != Source.RESIDENT
        external = stream.source == Source.EXTERNAL
        self.period = units * max(1.0, 4 / rate) if external else units
        self.depth = stream.depth
        self._last = float(START.get(stream.source, 0))
        self._freed: list[float] = []
        self._arrived = 0

    def arrivals(self, count: int) -> list[float]:
        """Of the next ``count`` rows, as far as the rows freed until now decide them."""
        times = []
        for number in range(self._arrived, self._arrived + count):
            free = self._freed[number - self.depth] if number >= self.depth else 0.0
            self._last = max(self._last, free) + self.period
            times.append(self._last)
        self._arrived += count
        return times

    def free(self, times: Sequence[float]) -> None:
        self._freed += times


def predict(
    steps: Sequence[Step],
    weights: Stream,
    parameters: Stream,
    config: AcceleratorConfig,
    external_rate: float,
) -> list[int]:
    """Cycles of SETUP and of each step.

    ``external_rate`` is in bytes a cycle.
    """
    weight_ring, parameter_ring = _Ring(weights, external_rate), _Ring(parameters, external_rate)
    now = float(OVERHEAD[Opcode.SETUP])
    cycles = [OVERHEAD[Opcode.SETUP]]
    for step in steps:
        begin = now
        if step.opcode == Opcode.FILL:
            now += step_cycles(step, config)
        else:
            now = _compute(step, weight_ring, parameter_ring, now, config)
        cycles.append(round(now) - round(begin))
    return cycles


def _compute(
    step: Step,
    weight_ring: _Ring,
    parameter_ring: _Ring,
    now: float,
    config: AcceleratorConfig,
) -> float:
    full, last = group_times(step, config)
    groups = step.groups.count
    loads_weights = weight_ring.active and step.weights is not None
    loads_parameters = parameter_ring.active
    if not loads_weights and not loads_parameters:
        return now + step_cycles(step, config)
    now += OVERHEAD[step.opcode]
    words = step.weight_words
    count = rows(step, config)
    per_group = 1 if step.uniform else count // groups
    for group in range(groups):
        time = last if group == groups - 1 else full
        first_pass = now + time.taps
        if loads_weights and not (step.weights_shared and group):
            # Word k is used k cycles after the first one, at the earliest.
            arrived = _take(weight_ring, words, single=time.total <= time.taps or _single(step))
            first_pass = max(first_pass, *(t + words - k for k, t in enumerate(arrived)))
        if loads_parameters and not (step.uniform and group):
            first_pass = max(first_pass, parameter_ring.arrivals(per_group)[-1] + 1)
        end = first_pass + time.total - time.taps
        frees = not step.weights_shared or group == groups - 1
        if loads_weights and frees and not _single(step):
            weight_ring.free([end - words + k for k in range(words)])
        if loads_parameters and (not step.uniform or group == groups - 1):
            parameter_ring.free([end] * per_group)
        now = end
    return now


def _single(step: Step) -> bool:
    """Whether the weights of a group are used at one position only, and freed one by one."""
    return step.lines.count * step.positions.count == 1 and not step.weights_shared


def _take(ring: _Ring, words: int, *, single: bool) -> list[float]:
    """Arrival times; with a single position each word is freed as soon as it is there."""
    if not single:
        return ring.arrivals(words)
    times = []
    for _ in range(words):
        arrival = ring.arrivals(1)
        ring.free(arrival)
        times += arrival
    return times
