# SPDX-License-Identifier: BSD-2-Clause
"""How users of the scratchpad's banks delay each other.

A fetch that straddles two words occupies both banks, any other one a single bank. Loaders' reads
wait for a cycle in which theirs is free, up to PATIENCE cycles, and then go first. With a
single port, so do writes: a complete word waits for a gap until the next one is due, a part of
a word is written at the moment the next one is due.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celosia.compiler.cycles import GroupTime, array_lanes, group_times
from celosia.compiler.step import ADDRESS_SPACE, Step
from celosia_hw.config import AcceleratorConfig

#: Cycles that a loader's read waits at most, as in the gateware's scratchpad.
PATIENCE = 7
#: Fetches of a group whose addresses are looked at.
SAMPLE = 2048


@dataclass(frozen=True)
class Contention:
    """What an instruction's fetches do to others, and these to them.

    Attributes:
        lost_to_writes: cycles of the whole instruction.
        read_cycles: that a loader takes from one word to the next, on average.
        lost_to_read: cycles lost for each word that a loader reads.
        fetch_cycles: cycles that each fetch takes from a loader that reads in every cycle.
    """

    lost_to_writes: float
    read_cycles: float
    lost_to_read: float
    fetch_cycles: float


#: An instruction that fetches nothing.
NONE = Contention(0.0, 1.0, 0.0, 0.0)


def contention(step: Step, bases: dict[int, int], config: AcceleratorConfig) -> Contention:
    """For an instruction at the addresses that ``bases`` give its storages."""
    full, _ = group_times(step, config)
    start = bases[step.input.storage] + step.input.offset
    out = bases[step.output.storage] + step.output.offset
    results = []
    # Neighbouring groups may use opposite banks.
    for group in range(min(step.groups.count, 2)):
        uses = _uses(step, start + group * step.groups.stride, config)
        lost = 0.0
        if config.scratch_single_port:
            target = out + group * step.out_group
            lost = step.emissions * _lost_to_writes(step, uses, full, target, config)
        results.append(np.array([lost, *_reads(uses, full, step), uses.mean()]))
    mean = np.mean(results, axis=0)
    return Contention(*(float(value) for value in mean))


def _sample(step: Step) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Line and position of a group's first positions."""
    count = max(4, SAMPLE // step.taps.count)
    positions = min(step.positions.count, count)
    lines = min(step.lines.count, max(1, count // positions))
    line, position = np.meshgrid(np.arange(lines), np.arange(positions), indexing="ij")
    return line.ravel(), position.ravel()


def _uses(step: Step, start: int, config: AcceleratorConfig) -> npt.NDArray[np.bool_]:
    """Whether a fetch uses a bank: (positions, taps, banks), in order of execution."""
    line, position = _sample(step)
    begin = start + line * step.lines.stride + position * step.positions.stride
    address = (begin[:, None] + step.taps.offsets) % ADDRESS_SPACE
    word, offset = address // config.word_bytes, address % config.word_bytes
    straddles = offset > config.word_bytes - config.input_channels
    return np.stack([straddles | (word % 2 == bank) for bank in range(2)], axis=2)


def _lost_to_writes(
    step: Step,
    uses: npt.NDArray[np.bool_],
    time: GroupTime,
    out: int,
    config: AcceleratorConfig,
) -> float:
    """Cycles for each emission."""
    values = array_lanes(step, config)
    line, position = _sample(step)
    address = out + line * step.out_line + position * step.out_position
    bank = address // config.word_bytes % 2
    number = np.arange(len(bank))
    if values < config.word_bytes or address[0] % config.word_bytes:
        # The bank's share of the cycles.
        duty = 1 - time.idle / max(time.total, 1.0)
        return duty * float(uses.mean(axis=1)[number, bank].mean())
    if time.idle > 0:
        return 0.0
    # A position's results are written while one of the next two is read.
    gap = ~uses.all(axis=1)
    gap |= np.roll(gap, -1, axis=0)
    return float((~gap[number, bank]).mean()) * -(-values // config.word_bytes)


def _reads(uses: npt.NDArray[np.bool_], time: GroupTime, step: Step) -> tuple[float, float]:
    """Cycles from one loader's read to the next, and cycles that one takes from the fetches.

    Follows a loader, whose words are in one bank and the other by turns, through the sample.
    """
    positions, taps, _ = uses.shape
    pause = round(time.idle / (step.lines.count * step.positions.count))
    busy = np.zeros((positions, taps + pause, 2), dtype=bool)
    busy[:, :taps] = uses
    words = taken = waited = bank = cycles = 0
    for fetch in busy.reshape(-1, 2).tolist():
        if fetch[bank] and waited == PATIENCE:
            # The read goes first; the fetch follows in the next cycle.
            taken += 1
            cycles += 1
            words, bank, waited = words + 1, 1 - bank, 0
        if fetch[bank]:
            waited += 1
        else:
            words, bank, waited = words + 1, 1 - bank, 0
        cycles += 1
    return cycles / max(words, 1), taken / max(words, 1)
