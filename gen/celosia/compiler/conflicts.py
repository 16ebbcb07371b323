# SPDX-License-Identifier: BSD-2-Clause
"""Cycles that a single-port scratchpad's other users take from the reading of inputs.

A fetch that straddles two words occupies both banks, any other one a single bank, so that writes
and the loaders' reads find gaps in the other one. A word that is to be written waits until the
next one is complete, then goes first; a loader's read waits for a few cycles, then goes first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celosia.compiler.cycles import array_lanes, group_times
from celosia.compiler.step import ADDRESS_SPACE, Step
from celosia_hw.config import AcceleratorConfig

#: Cycles after which a loader's read goes first (PATIENCE in the gateware, and the read itself).
READ_INTERVAL = 8
#: Positions of a group whose addresses are looked at.
SAMPLE = 512


@dataclass(frozen=True)
class Conflicts:
    """Cycles lost to writes, and the longest time that loaders' reads can take cycles in: one in
    ``READ_INTERVAL`` cycles of ``crowded``."""

    writes: float
    crowded: float


NONE = Conflicts(0.0, 0.0)


def conflicts(step: Step, bases: dict[int, int], config: AcceleratorConfig) -> Conflicts:
    """What an instruction loses at the addresses that ``bases`` give its storages."""
    full, _ = group_times(step, config)
    if not config.scratch_single_port or full.idle > 0:
        return NONE
    start = bases[step.input.storage] + step.input.offset
    out = bases[step.output.storage] + step.output.offset
    groups = min(step.groups.count, 2)
    writes = crowded = 0.0
    for group in range(groups):
        banks = _fetch_banks(step, start + group * step.groups.stride, config)
        # A position's results are written while one of the next two is read.
        later = banks | np.roll(banks, -1, axis=0)
        target = _target_banks(step, out + group * step.out_group, len(banks), config)
        blocked = ~later[np.arange(len(later)), 1 - target]
        writes += float(blocked.mean()) / groups
        crowded += float((~banks.any(axis=1)).mean()) / groups
    words = -(-array_lanes(step, config) // config.word_bytes)
    return Conflicts(
        writes * words * step.emissions,
        crowded * full.total * step.groups.count,
    )


def _positions(step: Step) -> npt.NDArray[np.int64]:
    """Addresses of a group's first positions relative to its beginning, in order."""
    lines = min(step.lines.count, max(1, SAMPLE // step.positions.count))
    positions = min(step.positions.count, SAMPLE)
    return (
        np.arange(lines)[:, None] * step.lines.stride + np.arange(positions) * step.positions.stride
    ).ravel()


def _fetch_banks(step: Step, start: int, config: AcceleratorConfig) -> npt.NDArray[np.bool_]:
    """For each position and bank: whether some tap reads that bank alone."""
    address = (start + _positions(step)[:, None] + step.taps.offsets) % ADDRESS_SPACE
    word, offset = address // config.word_bytes, address % config.word_bytes
    single = offset <= config.word_bytes - config.input_channels
    return np.stack([(single & (word % 2 == bank)).any(axis=1) for bank in range(2)], axis=1)


def _target_banks(
    step: Step, out: int, count: int, config: AcceleratorConfig
) -> npt.NDArray[np.int64]:
    """The bank that each position's results go to."""
    lines = min(step.lines.count, max(1, SAMPLE // step.positions.count))
    positions = min(step.positions.count, SAMPLE)
    address = (
        out + np.arange(lines)[:, None] * step.out_line + np.arange(positions) * step.out_position
    ).ravel()[:count]
    return np.asarray(address // config.word_bytes % 2)
