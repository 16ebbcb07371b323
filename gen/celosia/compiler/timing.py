# SPDX-License-Identifier: BSD-2-Clause
"""Predicts a program's cycles, with rings that fill while the array computes."""

from __future__ import annotations

from collections.abc import Sequence

from celosia.compiler.conflicts import NONE, Contention, contention
from celosia.compiler.cycles import (
    GroupTime,
    base_overhead,
    group_times,
    overhead,
    step_cycles,
)
from celosia.compiler.parameters import rows
from celosia.compiler.step import Step
from celosia.compiler.streams import Stream
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode, Source

#: Cycles from SETUP until the first unit arrives, from the scratchpad and from outside.
START = {Source.RESIDENT: 0, Source.SCRATCH: 20, Source.EXTERNAL: 45}
#: Cycles from one read of a loader to its next, if two want to read words of one unit.
_TURN = 2


class _Ring:
    """Rows that a loader has brought, as far as there is room for them.

    ``words`` counts what it has read from the scratchpad.
    """

    def __init__(
        self, stream: Stream, config: AcceleratorConfig, rate: float, total: int, delay: float
    ) -> None:
        units = stream.row_bytes / 4
        self.active = stream.source != Source.RESIDENT
        self._external = stream.source == Source.EXTERNAL
        self._period = units * (max(1.0, 4 / rate) if self._external else 1.0)
        self._row_words = 0.0 if self._external else stream.row_bytes / config.word_bytes
        self._depth = stream.depth
        self._total = total if self.active else 0
        self._loaded = 0.0
        self._taken = 0
        self._freed = 0
        self._clock = START[stream.source] + delay
        self.words = 0.0

    def advance(self, time: float, read_cycles: float) -> None:
        """Loads until ``time``, a word of the scratchpad in ``read_cycles``."""
        if time <= self._clock:
            return
        period = max(self._period, self._row_words * read_cycles)
        room = min(self._total, self._freed + self._depth) - self._loaded
        rows = min((time - self._clock) / period, room)
        self._loaded += rows
        self.words += rows * self._row_words
        self._clock = time

    def take(self, count: int, now: float, others: _Ring | None, fetch_cycles: float) -> float:
        """When the next ``count`` rows are there.

        If they come from the scratchpad each waits for ``fetch_cycles``, as there is one fetch for
        a row, and for what ``others`` reads before: words of one unit by turns with these.
        """
        self._taken += count
        missing = self._taken - self._loaded
        if missing <= 0:
            return now
        begin = max(now, self._clock)
        if self._external:
            return begin + missing * self._period
        if others is not None and self._clock <= now and not others._external:
            begin += _TURN * others._backlog * others._row_words
        return begin + missing * (self._period + fetch_cycles)

    @property
    def _backlog(self) -> float:
        """Rows that there is room for."""
        return max(0.0, min(self._total, self._freed + self._depth) - self._loaded)

    def free(self, count: int) -> None:
        self._freed += count

    def arrive(self, time: float) -> None:
        """All rows taken are there."""
        rows = max(0.0, self._taken - self._loaded)
        if rows > 0:
            self._loaded += rows
            self.words += rows * self._row_words
            self._clock = max(self._clock, time)

    def stream(self) -> None:
        """All rows taken have passed through, whatever the room."""
        self._freed = self._taken


class _Rings:
    """Both rings, and the scratchpad that they share with the fetches."""

    def __init__(
        self,
        steps: Sequence[Step],
        weights: Stream,
        parameters: Stream,
        config: AcceleratorConfig,
        external_rate: float,
    ) -> None:
        total = sum(rows(s, config) for s in steps if s.parameters is not None)
        self.parameters = _Ring(parameters, config, external_rate, total, 0)
        delay = 0.0
        if parameters.source == weights.source == Source.SCRATCH and config.word_bytes == 4:
            # Parameters go first, and one unit a cycle leaves no reads to others.
            delay = min(total, parameters.depth) * parameters.row_bytes / 4
        words = sum(len(s.weights) * s.weight_words for s in steps if s.weights is not None)
        self.weights = _Ring(weights, config, external_rate, words, delay)

    def advance(self, time: float, read_cycles: float) -> None:
        self.weights.advance(time, read_cycles)
        self.parameters.advance(time, read_cycles)

    @property
    def words(self) -> float:
        """Words read so far."""
        return self.weights.words + self.parameters.words


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
            rings.advance(now, NONE.read_cycles)
        else:
            found = contention(step, bases, config)
            before = rings.words
            now = _compute(step, rings, now, found, config)
            now += found.lost_to_writes + found.lost_to_read * (rings.words - before)
        cycles.append(round(now) - round(begin))
    return cycles


def _compute(
    step: Step, rings: _Rings, now: float, found: Contention, config: AcceleratorConfig
) -> float:
    """When a step is complete that begins ``now``, without what it loses to others."""
    begin = now
    now += overhead(step, config)
    rings.advance(now, NONE.read_cycles)
    if not rings.weights.active and not rings.parameters.active:
        return begin + step_cycles(step, config)
    full, last = group_times(step, config)
    for group in range(step.groups.count):
        time = last if group == step.groups.count - 1 else full
        now = _group(step, rings, now, time, group, found, config)
    return now


def _group(
    step: Step,
    rings: _Rings,
    now: float,
    time: GroupTime,
    group: int,
    found: Contention,
    config: AcceleratorConfig,
) -> float:
    """When a group is complete that begins ``now``."""
    ends = group == step.groups.count - 1
    words = step.weight_words if rings.weights.active else 0
    takes_words = words > 0 and (group == 0 or not step.weights_shared)
    frees_words = words > 0 and (ends or not step.weights_shared)
    single = step.lines.count * step.positions.count == 1 and not step.weights_shared
    count = 1 if step.uniform else rows(step, config) // step.groups.count
    takes_rows = rings.parameters.active and (group == 0 or not step.uniform)
    frees_rows = rings.parameters.active and (ends or not step.uniform)
    first = now + time.taps
    if takes_words:
        others = rings.parameters if config.word_bytes == 4 else None
        ready = rings.weights.take(words, now, others, found.fetch_cycles)
        rings.weights.arrive(ready)
        first = max(first, ready + 1)
    if takes_rows:
        first = max(first, rings.parameters.take(count, now, None, 0) + 1)
    # While the array waits the loaders have the scratchpad to themselves.
    waited = first - now - time.taps
    if waited > 0:
        rings.advance(now + waited, NONE.read_cycles)
    if takes_words and single:
        rings.weights.stream()
    end = first + time.total - time.taps
    rings.advance(end, found.read_cycles)
    if frees_words and not single:
        rings.weights.free(words)
    if frees_rows:
        rings.parameters.free(count)
    return end
