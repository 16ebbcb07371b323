# SPDX-License-Identifier: BSD-2-Clause
"""The cycle model of an instruction whose weights and parameters have all arrived.

What the rings add to it is in ``timing.py``, what the scratchpad's banks add in ``conflicts.py``.
All constants were read off the hardware in simulation; a test keeps them honest.
"""

from __future__ import annotations

from dataclasses import dataclass

from celosia.compiler.step import Step
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import INSTRUCTION_BYTES, Opcode

#: Cycles of an instruction besides its work and the reading of its words: filling and draining
#: the pipeline, with a single-port scratchpad.
OVERHEAD = {
    Opcode.CONV: 29,
    Opcode.CHAIN: 28,
    Opcode.MAX: 28,
    Opcode.FILL: 7,
    Opcode.SETUP: 4,
}
#: What block RAM, which answers a cycle later, adds.
DUAL_PORT_OVERHEAD = {
    Opcode.CONV: 3,
    Opcode.CHAIN: 3,
    Opcode.MAX: 3,
    Opcode.FILL: 2,
    Opcode.SETUP: 2,
}
#: What the longer pipeline of a free-running configuration adds.
FREE_RUNNING_OVERHEAD = 5
#: What it and a pipelined scratchpad add.
PIPELINED_OVERHEAD = {
    Opcode.CONV: 15,
    Opcode.CHAIN: 14,
    Opcode.MAX: 14,
    Opcode.FILL: 1,
    Opcode.SETUP: 1,
}
#: Cycles of an instruction with a second pass before its tables' entries, one a cycle, are read.
TABLE_OVERHEAD = 12
#: What a pipelined scratchpad adds, by the bytes of its words.
PIPELINED_TABLE_OVERHEAD = {4: 24, 8: 10}
#: Cycles from one emission to the next that reading the residual's word takes at least, by whether
#: the scratchpad has a single port.
RESIDUAL_TURNAROUND = {True: 3.0, False: 4.5}
#: The same of a pipelined scratchpad, where now and then a fetch goes first.
PIPELINED_TURNAROUND = 6.1


@dataclass(frozen=True)
class GroupTime:
    """Cycles of one group: of all its positions, and of the taps of one of them.

    ``idle`` is how many of the cycles read no inputs, as the requantizer is the bottleneck.
    """

    total: float
    taps: int
    idle: float


def array_lanes(step: Step, config: AcceleratorConfig) -> int:
    """Values of an emission but in the last group."""
    return config.output_channels if step.opcode == Opcode.CONV else config.input_channels


def overhead(step: Step, config: AcceleratorConfig) -> int:
    """Cycles of an instruction besides its positions."""
    cycles = base_overhead(step.opcode, config)
    if step.second is not None:
        cycles += TABLE_OVERHEAD + round(len(step.second.tables) * _entry_cycles(config))
        if _pipelined(config):
            cycles += PIPELINED_TABLE_OVERHEAD.get(config.word_bytes, 0)
    return cycles


def _entry_cycles(config: AcceleratorConfig) -> float:
    """Cycles in which an entry of a table is read."""
    # In a pipelined scratchpad a word of two is asked for when the one before arrives.
    return 2 if _pipelined(config) and config.word_bytes == 8 else 1


def base_overhead(opcode: Opcode, config: AcceleratorConfig) -> int:
    """Of an instruction without tables."""
    computes = opcode in (Opcode.CONV, Opcode.CHAIN, Opcode.MAX)
    words = INSTRUCTION_BYTES // config.word_bytes
    if _pipelined(config):
        # Half of the words are enough to begin with.
        words = words // 2 if computes else words
        return OVERHEAD[opcode] + PIPELINED_OVERHEAD[opcode] + words
    extra = 0 if config.scratch_single_port else DUAL_PORT_OVERHEAD[opcode]
    if config.free_running and computes:
        extra += FREE_RUNNING_OVERHEAD
    return OVERHEAD[opcode] + extra + words


def _pipelined(config: AcceleratorConfig) -> bool:
    return config.free_running and not config.scratch_single_port


def step_cycles(step: Step, config: AcceleratorConfig) -> float:
    """Cycles of an instruction, its overhead included."""
    if step.opcode == Opcode.FILL:
        words = -(-step.positions.count // config.word_bytes)
        return overhead(step, config) + step.lines.count * words
    full, last = group_times(step, config)
    return overhead(step, config) + (step.groups.count - 1) * full.total + last.total


def group_times(step: Step, config: AcceleratorConfig) -> tuple[GroupTime, GroupTime]:
    """Of any group but the last one, and of that."""
    return (
        _group_time(step, array_lanes(step, config), config),
        _group_time(step, step.tail, config),
    )


def _group_time(step: Step, values: int, config: AcceleratorConfig) -> GroupTime:
    taps = step.taps.count
    passes = 1 if step.second is None else 2
    drain = float(passes * -(-values // config.requantize_lanes))
    if step.second is not None and step.second.residual is not None:
        turnaround = RESIDUAL_TURNAROUND[config.scratch_single_port]
        drain = max(drain, PIPELINED_TURNAROUND if _pipelined(config) else turnaround)
    outputs = step.positions.count - step.skip
    silent = float(step.skip * taps)
    if drain > taps:
        # The requantizer works on the last emission of a line while positions emit nothing.
        silent = max(0.0, silent - (drain - taps))
    total = step.lines.count * (silent + outputs * max(taps, drain))
    return GroupTime(total, taps, total - step.lines.count * step.positions.count * taps)
