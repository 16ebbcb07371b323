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

    def forget(self, start: int, stop: int) -> None:
        self.known[start:stop] = UNKNOWN

    def fill(
        self, base: int, region: Region, value: int, storage: int, offset: int, limits: Limits
    ) -> list[Step]:
        """Steps after which ``region`` holds ``value``; ``base + offset`` is its tensor's first
        element, ``base`` the address of ``storage``."""
        start = base + offset + region.offset
        index = start + np.arange(region.lines)[:, None] * region.pitch + np.arange(region.bytes)
        wrong = self.known[index] != value
        if not wrong.any():
            return []
        self.known[index] = value
        lines, columns = np.nonzero(wrong.any(axis=1))[0], np.nonzero(wrong.any(axis=0))[0]
        first = int(lines[0]) * region.pitch + int(columns[0])
        rest = Region(
            region.offset + first,
            int(lines[-1] - lines[0]) + 1,
            region.pitch,
            int(columns[-1] - columns[0]) + 1,
        )
        return fill_steps(Address(storage, offset), rest, value, limits)


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
