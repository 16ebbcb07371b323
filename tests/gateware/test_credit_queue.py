# SPDX-License-Identifier: BSD-2-Clause
"""CreditQueue: what a pipeline admitted comes out in order, whenever the other end is ready."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.gateware.credit_queue import CreditQueue
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, Stall, never
from celosia_sim.rtl.streams import StreamSink

WIDTH = 38


def make(depth: int, registered: bool, latency: int, fast: bool) -> CreditQueue:
    return CreditQueue(WIDTH, depth=depth, registered=registered, fast=fast)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    ("depth", "registered", "latency"), [(2, False, 1), (16, False, 7), (8, True, 3), (4, True, 0)]
)
def test_credit_queue(
    run_block: Callable[..., None], depth: int, registered: bool, latency: int, fast: bool
) -> None:
    run_block(make, depth=depth, registered=registered, latency=latency, fast=fast)


class Pipeline:
    """Admits random values when it may and feels like it; they arrive ``latency`` cycles later."""

    def __init__(self, bench: Bench, latency: int, stall: Stall) -> None:
        self.bench, self.stall = bench, stall
        self.stages: deque[int | None] = deque([None] * latency)
        self.admitted: list[int] = []
        bench.agents.append(self)

    def drive(self) -> None:
        value = self.bench.rng.getrandbits(WIDTH)
        admits = bool(self.bench.get("room")) and not self.stall()
        self.bench.set("admit", int(admits))
        self.stages.append(value if admits else None)
        if admits:
            self.admitted.append(value)
        arrived = self.stages.popleft()
        self.bench.set("push", int(arrived is not None))
        self.bench.set("i", arrived if arrived is not None else value)

    def sample(self) -> None:
        pass


@cocotb.test()
async def random_stalls(dut: Any) -> None:
    bench = await start_bench(dut, make, "random stalls")
    sink = StreamSink(bench, "o", bench.stalls())
    pipeline = Pipeline(bench, block_parameters()["latency"], bench.stalls())
    for _ in range(2000):
        await bench.step()
        waiting = len(pipeline.admitted) - len(sink.values)
        assert waiting <= block_parameters()["depth"]
        assert bench.get("empty") == (waiting == 0)
    assert len(sink.values) > 200
    assert sink.values == pipeline.admitted[: len(sink.values)]


@cocotb.test()
async def one_value_a_cycle(dut: Any) -> None:
    """If there are more places than cycles from a credit's use to its return."""
    bench = await start_bench(dut, make, "throughput")
    parameters = block_parameters()
    sink = StreamSink(bench, "o", never)
    pipeline = Pipeline(bench, parameters["latency"], never)
    await bench.step(200)
    way = parameters["latency"] + (2 if parameters["registered"] else 1) + 1
    assert sink.values == pipeline.admitted[: len(sink.values)]
    if parameters["depth"] >= way:
        assert len(sink.values) >= 200 - way - 1
