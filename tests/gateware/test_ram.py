# SPDX-License-Identifier: BSD-2-Clause
"""RowRam: units land where they were written; a row is shown when it is due."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.gateware.ram import PIPELINED_LATENCY, RowRam
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench


def make(depth: int, chunks: int, latency: int) -> RowRam:
    return RowRam(depth=depth, chunks=chunks, latency=latency)


@pytest.mark.parametrize(
    ("depth", "chunks", "latency"),
    [(16, 1, 1), (24, 3, PIPELINED_LATENCY), (40, 4, PIPELINED_LATENCY + 1), (64, 32, 1)],
)
def test_row_ram(run_block: Callable[..., None], depth: int, chunks: int, latency: int) -> None:
    run_block(make, depth=depth, chunks=chunks, latency=latency)


class Traffic:
    """Writes and reads at random, never a row in the cycle in which its write arrives: that is the
    write's own, or the next one if the memory is pipelined. What a pipelined memory shows of cycles
    without a read is not looked at."""

    def __init__(self, bench: Bench, depth: int, chunks: int, latency: int) -> None:
        self.bench, self.depth, self.chunks = bench, depth, chunks
        self.stays = latency == 1
        self.rows = [[0] * chunks for _ in range(depth)]
        # What is due, from the value that is shown on.
        self.due: deque[int | None] = deque([None] * latency)
        # Writes that have not arrived.
        self.writes: deque[tuple[int, int, int] | None] = deque([None] * (latency > 1))
        self.reads = 0
        for row in range(depth):
            self.rows[row] = [bench.rng.getrandbits(32) for _ in range(chunks)]

    async def fill(self) -> None:
        for row, units in enumerate(self.rows):
            for chunk, unit in enumerate(units):
                self._write(row, chunk, unit)
                await self.bench.step()
        self.bench.set("write__enable", 0)
        await self.bench.step()

    def _write(self, row: int, chunk: int, unit: int) -> None:
        self.bench.set("write__enable", 1)
        self.bench.set("write__row", row)
        self.bench.set("write__chunk", chunk)
        self.bench.set("write__data", unit)

    def drive(self) -> None:
        rng = self.bench.rng
        row, chunk, unit = (
            rng.randrange(self.depth),
            rng.randrange(self.chunks),
            rng.getrandbits(32),
        )
        self._write(row, chunk, unit)
        written = rng.random() < 0.4
        self.bench.set("write__enable", int(written))
        self.writes.append((row, chunk, unit) if written else None)
        self.arriving = self.writes.popleft()
        self.row = rng.randrange(self.depth)
        self.enable = rng.random() < 0.6
        if self.arriving is not None and self.arriving[0] == self.row:
            self.enable = False
        self.bench.set("row", self.row)
        if self.stays:
            self.bench.set("enable", int(self.enable))

    def sample(self) -> None:
        shown = self.due.popleft()
        if shown is not None:
            assert self.bench.get("data") == shown
        self.due.append(shown if self.stays else None)
        if self.enable:
            self.due[-1] = sum(unit << 32 * i for i, unit in enumerate(self.rows[self.row]))
            self.reads += 1
        if self.arriving is not None:
            row, chunk, unit = self.arriving
            self.rows[row][chunk] = unit


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    bench = await start_bench(dut, make, "random traffic")
    traffic = Traffic(bench, **block_parameters())
    await traffic.fill()
    bench.agents.append(traffic)
    await bench.step(3000)
    assert traffic.reads > 1000
