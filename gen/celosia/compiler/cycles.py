# SPDX-License-Identifier: BSD-2-Clause
"""The cycle model of an instruction whose weights and parameters have all arrived.

What the rings add to it is in ``timing.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from celosia.compiler.step import Step
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode

#: Cycles of an instruction besides its work: fetching it, filling and draining the pipeline.
OVERHEAD = {
    Opcode.CONV: 40,
    Opcode.CHAIN: 40,
    Opcode.MAX: 40,
    Opcode.FILL: 30,
    Opcode.SETUP: 30,
    Opcode.END: 0,
}


@dataclass(frozen=True)
class GroupTime:
    """Cycles of one group: of all its positions, and of the taps of one of them."""

    total: int
    taps: int


def array_lanes(step: Step, config: AcceleratorConfig) -> int:
    """Values of an emission but in the last group."""
    return config.output_channels if step.opcode == Opcode.CONV else config.input_channels


def step_cycles(step: Step, config: AcceleratorConfig) -> int:
    """Cycles of an instruction, its overhead included."""
    if step.opcode == Opcode.FILL:
        words = -(-step.positions.count // config.word_bytes)
        return OVERHEAD[step.opcode] + step.lines.count * words
    full, last = group_times(step, config)
    return OVERHEAD[step.opcode] + (step.groups.count - 1) * full.total + last.total


def group_times(step: Step, config: AcceleratorConfig) -> tuple[GroupTime, GroupTime]:
    """Of any group but the last one, and of that."""
    return (
        _group_time(step, array_lanes(step, config), config),
        _group_time(step, step.tail, config),
    )


def _group_time(step: Step, values: int, config: AcceleratorConfig) -> GroupTime:
    taps = step.taps.count
    passes = 1 if step.second is None else 2
    drain = passes * -(-values // config.requantize_lanes)
    outputs = step.positions.count - step.skip
    silent = step.skip * taps
    if drain > taps:
        # The requantizer works on the last emission of a line while positions emit nothing.
        silent = max(0, silent - (drain - taps))
    line = silent + outputs * max(taps, drain)
    return GroupTime(step.lines.count * line, taps)
