# SPDX-License-Identifier: BSD-2-Clause
"""The cycle model: how long each instruction takes."""

from __future__ import annotations

from dataclasses import dataclass

from celosia.compiler.step import Step
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode

#: Cycles between two instructions: fetching the next one, filling and draining the pipeline.
OVERHEAD = {
    Opcode.CONV: 40,
    Opcode.CHAIN: 40,
    Opcode.MAX: 40,
    Opcode.FILL: 30,
    Opcode.SETUP: 30,
    Opcode.END: 0,
}


@dataclass(frozen=True)
class Emission:
    """Taps of a position, and cycles that the requantizer needs for what a position emits."""

    taps: int
    drain: int

    @property
    def cycles(self) -> int:
        """Cycles from one emission to the next where every position emits."""
        return max(self.taps, self.drain)


def step_cycles(step: Step, config: AcceleratorConfig) -> int:
    """Cycles of an instruction whose weights and parameters have all arrived."""
    if step.opcode == Opcode.FILL:
        words = -(-step.positions.count // config.word_bytes)
        return OVERHEAD[step.opcode] + step.lines.count * words
    lanes = config.output_channels if step.opcode == Opcode.CONV else config.input_channels
    full = _group_cycles(step, _emission(step, lanes, config))
    last = _group_cycles(step, _emission(step, step.tail, config))
    return OVERHEAD[step.opcode] + (step.groups.count - 1) * full + last


def _emission(step: Step, values: int, config: AcceleratorConfig) -> Emission:
    passes = 1 if step.second is None else 2
    return Emission(step.taps.count, passes * -(-values // config.requantize_lanes))


def _group_cycles(step: Step, emission: Emission) -> int:
    outputs = step.positions.count - step.skip
    # The requantizer works on the last emissions of a line while positions emit nothing.
    start = step.skip * emission.taps
    if emission.drain <= emission.taps:
        return step.lines.count * (start + outputs * emission.taps)
    slack = max(0, start - (emission.drain - emission.taps))
    return step.lines.count * (slack + outputs * emission.drain)
