# SPDX-License-Identifier: BSD-2-Clause
"""Queue: values come out in order, none is lost, and the queue is as deep as it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.gateware.queue import Queue
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench
from celosia_sim.rtl.streams import StreamSink, StreamSource


def make(width: int, depth: int) -> Queue:
    return Queue(width, depth=depth)


@pytest.mark.parametrize(("width", "depth"), [(1, 1), (8, 2), (70, 5)])
def test_queue(run_block: Callable[..., None], width: int, depth: int) -> None:
    run_block(make, width=width, depth=depth)


class LevelCheck:
    """Compares ``level`` with the number of values that went in and did not come out."""

    def __init__(self, bench: Bench, source: StreamSource, sink: StreamSink) -> None:
        self.bench, self.source, self.sink = bench, source, sink
        self.highest = 0
        bench.agents.insert(0, self)

    def drive(self) -> None:
        pass

    def sample(self) -> None:
        level = self.bench.get("level")
        assert level == len(self.source.cycles) - len(self.sink.cycles)
        self.highest = max(self.highest, level)


@cocotb.test()
async def random_stalls(dut: Any) -> None:
    bench = await start_bench(dut, make, "random stalls")
    width, depth = block_parameters()["width"], block_parameters()["depth"]
    source = StreamSource(bench, "i", bench.stalls())
    sink = StreamSink(bench, "o", bench.stalls())
    check = LevelCheck(bench, source, sink)
    values = [bench.rng.getrandbits(width) for _ in range(1500)]
    source.send(values)
    await bench.run(lambda: len(sink.values) == len(values), limit=30_000)
    assert sink.values == values
    assert check.highest == depth
    await bench.step(20)
    assert len(sink.values) == len(values)


@cocotb.test()
async def latency_and_throughput(dut: Any) -> None:
    bench = await start_bench(dut, make, "latency")
    depth = block_parameters()["depth"]
    source = StreamSource(bench, "i")
    sink = StreamSink(bench, "o")
    source.send(i & 1 for i in range(100))
    await bench.run(lambda: len(sink.values) == 100, limit=300)
    assert [o - i for i, o in zip(source.cycles, sink.cycles, strict=True)] == [1] * 100
    each = 1 if depth > 1 else 2
    assert source.cycles == [source.cycles[0] + each * i for i in range(100)]
