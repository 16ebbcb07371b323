# SPDX-License-Identifier: BSD-2-Clause
"""FILL instructions for borders, only where the memory does not hold the value already."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.compiler.layout import Region
from celosia.compiler.step import Address, Limits, Loop, Step
from celosia_hw.isa import Opcode

#: Marks a byte of ``Contents.known`` whose value is not known.
UNKNOWN = 1 << 8


class Contents:
    """What is known of the scratchpad while the program runs."""

    def __init__(self, size: int) -> None:
        self.known: npt.NDArray[np.int16] = np.full(size, UNKNOWN, dtype=np.int16)

    def written(self, step: Step, base: int, lanes: int) -> None:
        """Takes note of the stores of a step whose output's storage is at ``base``."""
        start = base + step.output.offset
        if step.opcode == Opcode.FILL:
            lines = start + np.arange(step.lines.count) * step.out_line
            index = lines[:, None] + np.arange(step.positions.count)
            self.known[index] = step.zero_point
            return
        lines = start + np.arange(step.lines.count) * step.out_line
        emitted = step.positions.count - step.skip
        pixels = (lines[:, None] + np.arange(emitted) * step.out_position).ravel()
        for group in range(step.groups.count):
            values = step.tail if group == step.groups.count - 1 else lanes
            index = pixels[:, None] + group * step.out_group + np.arange(values)
            self.known[index] = UNKNOWN

    def border(
        self, base: int, origin: Address, regions: list[Region], value: int, limits: Limits
    ) -> list[Step]:
        """FILLs after which all ``regions`` hold ``value``.

        The regions' offsets count from ``origin``, whose storage is at ``base``.
        """
        steps: list[Step] = []
        for region in regions:
            start = base + origin.offset + region.offset
            lines = start + np.arange(region.lines)[:, None] * region.pitch
            wrong = self.known[lines + np.arange(region.bytes)] != value
            if wrong.any():
                made = fill_steps(origin, _cut(region, wrong), value, limits)
                for step in made:
                    self.written(step, base, 1)
                steps += made
        return steps


def _cut(region: Region, wrong: npt.NDArray[np.bool_]) -> Region:
    """The smallest part of ``region`` that covers the bytes (lines, bytes) to be filled."""
    lines, columns = np.nonzero(wrong.any(axis=1))[0], np.nonzero(wrong.any(axis=0))[0]
    first = int(lines[0]) * region.pitch + int(columns[0])
    return Region(
        region.offset + first,
        int(lines[-1] - lines[0]) + 1,
        region.pitch,
        int(columns[-1] - columns[0]) + 1,
    )


def fill_steps(origin: Address, region: Region, value: int, limits: Limits) -> list[Step]:
    """FILLs that store ``value`` into ``region``, whose offset counts from ``origin``."""
    steps = []
    for line in range(0, region.lines, limits.lines):
        count = min(limits.lines, region.lines - line)
        for column in range(0, region.bytes, limits.positions):
            width = min(limits.positions, region.bytes - column)
            start = origin + region.offset + line * region.pitch + column
            steps.append(
                Step(
                    opcode=Opcode.FILL,
                    op=-1,
                    input=start,
                    output=start,
                    lines=Loop(count),
                    positions=Loop(width),
                    out_line=region.pitch,
                    zero_point=value,
                )
            )
    return steps
