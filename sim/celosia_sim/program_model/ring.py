# SPDX-License-Identifier: BSD-2-Clause
"""The weight and the parameter memory: resident, or a ring that a loader fills."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia_hw.isa import Source
from celosia_sim.program_model.arithmetic import ProgramError

Bytes = npt.NDArray[np.uint8]


class RowMemory:
    """``depth`` rows of ``row_bytes``. With a ring, rows are consumed in the order of the list.

    The loader of a ring runs ahead of the program by an unknown number of rows, so that the data
    must not change between SETUP and its use: this is checked.
    """

    def __init__(self, name: str, depth: int, row_bytes: int) -> None:
        self.name = name
        self.depth = depth
        self.row_bytes = row_bytes
        self.source = Source.RESIDENT
        self.rows: Bytes = np.zeros((depth, row_bytes), dtype=np.uint8)
        self._space: Bytes = np.zeros(0, dtype=np.uint8)
        self._addresses: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._ahead: Bytes = np.zeros((0, row_bytes), dtype=np.uint8)
        self._consumed = 0

    def load(self, address: int, data: bytes) -> None:
        """Fills whole rows through the control port, where each takes a power of two of bytes."""
        stride = 1 << (self.row_bytes - 1).bit_length()
        rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, stride)[:, : self.row_bytes]
        self.rows[address // stride : address // stride + len(rows)] = rows

    def start(self, source: Source, scratch: Bytes, space: Bytes, address: int) -> None:
        """Begins with the segment list at ``address`` of the scratchpad; segments are of
        ``space``."""
        self.source = source
        self._consumed = 0
        if source == Source.RESIDENT:
            return
        parts = []
        while True:
            begin, units = scratch[address : address + 8].view("<u4").tolist()
            if units == 0:
                break
            if begin % 4 or begin + 4 * units > len(space):
                raise ProgramError(f"{self.name}: a segment of {units} units at {begin}")
            parts.append(np.arange(begin, begin + 4 * units))
            address += 8
        units_read = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
        self._space = space
        self._addresses = units_read[: len(units_read) // self.row_bytes * self.row_bytes]
        self._ahead = space[self._addresses].reshape(-1, self.row_bytes)

    def take(self, base: int, count: int, *, ring: bool, at_once: bool) -> Bytes:
        """The next ``count`` rows, as an instruction names them by ``base``.

        Args:
            base: row of the memory.
            count: rows.
            ring: whether the instruction waits for the rows and frees them.
            at_once: whether all of them must be in the memory at the same time.
        """
        if ring != (self.source != Source.RESIDENT):
            raise ProgramError(f"{self.name}: the instruction and SETUP disagree about the ring")
        if at_once and count > self.depth:
            raise ProgramError(f"{self.name}: {count} rows are needed at once, of {self.depth}")
        if not ring:
            if base + count > self.depth:
                raise ProgramError(f"{self.name}: rows {base} to {base + count} of {self.depth}")
            return self.rows[base : base + count]
        if base != self._consumed % self.depth:
            raise ProgramError(
                f"{self.name}: the instruction expects its rows from {base} on, but the ring is "
                f"at {self._consumed % self.depth}"
            )
        first, last = self._consumed, self._consumed + count
        if last > len(self._ahead):
            raise ProgramError(f"{self.name}: the list ends {last - len(self._ahead)} rows early")
        rows = self._ahead[first:last]
        now = self._space[self._addresses[first * self.row_bytes : last * self.row_bytes]]
        if not np.array_equal(now, rows.ravel()):
            raise ProgramError(f"{self.name}: rows were overwritten after SETUP")
        self._consumed = last
        return rows
