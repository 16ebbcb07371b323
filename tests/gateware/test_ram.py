# SPDX-License-Identifier: BSD-2-Clause
"""RowRam: units land where they were written; a row is shown one cycle later and stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.gateware.ram import RowRam
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench


def make(depth: int, chunks: int, output_register: bool) -> RowRam:
    return RowRam(depth=depth, chunks=chunks, output_register=output_register)


@pytest.mark.parametrize(
    ("depth", "chunks", "output_register"), [(16, 1, False), (24, 3, True), (64, 32, False)]
)
def test_row_ram(
    run_block: Callable[..., None], depth: int, chunks: int, output_register: bool
) -> None:
    run_block(make, depth=depth, chunks=chunks, output_register=output_register)


class Traffic:
    """Writes and reads at random, never the same row in the same cycle, nor, with an output
    register, in the cycle behind its write."""

    def __init__(self, bench: Bench, depth: int, chunks: int, output_register: bool) -> None:
        self.bench, self.depth, self.chunks = bench, depth, chunks
        self.output_register = output_register
        self.read: int | None = None  # before the output register
        self.rows = [[0] * chunks for _ in range(depth)]
        self.shown: int | None = None
        self.recent = depth - 1  # row that was written in the cycle before, if any was
        self.reads = 0
        for row in range(depth):
            self.rows[row] = [bench.rng.getrandbits(32) for _ in range(chunks)]

    async def fill(self) -> None:
        for row, units in enumerate(self.rows):
            for chunk, unit in enumerate(units):
                self._write(row, chunk, unit)
                await self.bench.step()
        self.bench.set("write__enable", 0)

    def _write(self, row: int, chunk: int, unit: int) -> None:
        self.bench.set("write__enable", 1)
        self.bench.set("write__row", row)
        self.bench.set("write__chunk", chunk)
        self.bench.set("write__data", unit)

    def drive(self) -> None:
        rng = self.bench.rng
        self.row = rng.randrange(self.depth)
        self.enable = rng.random() < 0.6
        if self.output_register and self.row == self.recent:
            self.enable = False
        self.bench.set("row", self.row)
        self.bench.set("enable", int(self.enable))
        if self.output_register:
            self.advance = rng.random() < 0.6
            self.bench.set("advance", int(self.advance))
        self.write = None
        row, chunk, unit = (
            rng.randrange(self.depth),
            rng.randrange(self.chunks),
            rng.getrandbits(32),
        )
        self._write(row, chunk, unit)
        if rng.random() < 0.4 and not (self.enable and row == self.row):
            self.write = row, chunk, unit
        else:
            self.bench.set("write__enable", 0)

    def sample(self) -> None:
        if self.shown is not None:
            assert self.bench.get("data") == self.shown
        if self.output_register and self.advance:
            self.shown = self.read
        if self.enable:
            self.read = sum(unit << 32 * i for i, unit in enumerate(self.rows[self.row]))
            if not self.output_register:
                self.shown = self.read
            self.reads += 1
        self.recent = -1
        if self.write is not None:
            row, chunk, unit = self.write
            self.rows[row][chunk] = unit
            self.recent = row


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    bench = await start_bench(dut, make, "random traffic")
    traffic = Traffic(bench, **block_parameters())
    await traffic.fill()
    bench.agents.append(traffic)
    await bench.step(3000)
    assert traffic.reads > 1000
