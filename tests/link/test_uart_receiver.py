# SPDX-License-Identifier: BSD-2-Clause
"""UartReceiver: bytes on the line come out, whatever else the line does."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.link.uart import UartReceiver
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, Stall
from celosia_sim.rtl.serial import SerialSource, frame
from celosia_sim.rtl.streams import StreamSink


def make(divisor: int) -> UartReceiver:
    return UartReceiver(divisor)


@pytest.mark.parametrize("divisor", [8, 24, 75])
def test_uart_receiver(run_block: Callable[..., None], divisor: int) -> None:
    run_block(make, divisor=divisor)


class Line:
    """The block, a host whose bits are ``deviation`` longer than its own, and who takes bytes."""

    def __init__(self, bench: Bench, deviation: float = 0.0, stall: Stall | None = None) -> None:
        self.bench = bench
        self.divisor: int = block_parameters()["divisor"]
        self.host = SerialSource(
            bench,
            "rx",
            self.divisor * (1 + deviation),
            stall=lambda: bench.rng.random() < 0.3,
        )
        self.sink = StreamSink(bench, "o", *([stall] if stall else []))
        self.errors: list[int] = []
        self.ticks: list[int] = []
        bench.agents.append(self)

    def drive(self) -> None:
        self.bench.set("enable", 1)

    def sample(self) -> None:
        if self.bench.get("error"):
            self.errors.append(self.bench.cycle)
        if self.bench.get("tick"):
            self.ticks.append(self.bench.cycle)

    async def finish(self) -> None:
        """Until everything is sent and what follows from it has happened."""
        await self.bench.run(lambda: self.host.done, limit=1_000_000)
        await self.bench.step(2 * self.divisor)


async def random_bytes(dut: Any, deviation: float) -> None:
    bench = await start_bench(dut, make, f"bytes {deviation}")
    line = Line(bench, deviation)
    data = bench.numpy.bytes(4000 // line.divisor) + bytes(
        (0x00, 0xFF, 0x55, 0xAA, 0x00, 0x00, 0xFF, 0xFF)
    )
    line.host.send(data)
    await line.finish()
    assert bytes(line.sink.values) == data
    assert line.errors == []


@cocotb.test()
async def exact_clock(dut: Any) -> None:
    await random_bytes(dut, 0.0)


@cocotb.test()
async def host_is_2_percent_slower(dut: Any) -> None:
    await random_bytes(dut, 0.02)


@cocotb.test()
async def host_is_2_percent_faster(dut: Any) -> None:
    await random_bytes(dut, -0.02)


@cocotb.test()
async def both_sides_are_off(dut: Any) -> None:
    """The divisor is rounded by up to 2 %, and the host is off as much the other way."""
    if block_parameters()["divisor"] >= 24:
        await random_bytes(dut, 0.04)


@cocotb.test()
async def the_other_way(dut: Any) -> None:
    if block_parameters()["divisor"] >= 24:
        await random_bytes(dut, -0.04)


@cocotb.test()
async def bytes_are_taken_late(dut: Any) -> None:
    """Up to the next start bit, less what the synchronizer takes, a byte may wait."""
    bench = await start_bench(dut, make, "late")
    limit = block_parameters()["divisor"] // 2 - 3
    waited = 0

    def stall() -> bool:
        nonlocal waited
        if not bench.bits("o__valid"):
            waited = 0
            return False
        waited += 1
        return waited <= limit and bench.rng.random() < 0.8

    line = Line(bench, stall=stall)
    data = bench.numpy.bytes(4000 // line.divisor)
    line.host.send(data)
    await line.finish()
    assert bytes(line.sink.values) == data


@cocotb.test()
async def recovers_from_a_byte_that_was_not_taken(dut: Any) -> None:
    bench = await start_bench(dut, make, "overrun")
    holding = True
    line = Line(bench, stall=lambda: holding)
    data = bench.numpy.bytes(40)
    line.host.send(data[:20])
    await line.finish()
    assert line.sink.values == []
    holding = False
    await bench.step(1)
    assert line.sink.values == [data[0]]
    line.host.send(data[20:])
    await line.finish()
    assert bytes(line.sink.values) == data[:1] + data[20:]


@cocotb.test()
async def glitches_are_no_bytes(dut: Any) -> None:
    bench = await start_bench(dut, make, "glitches")
    line = Line(bench)
    expected = bytearray()
    for _ in range(1 + 2000 // line.divisor):
        # Shorter than half a bit, by the cycle that the place of an edge is uncertain by.
        cycles = bench.rng.randint(1, line.divisor // 2 - 1)
        line.host.level(0, cycles / line.divisor)
        line.host.level(1, bench.rng.choice((1.0, 2.3, 0.6)))
        if bench.rng.random() < 0.4:
            value = bench.rng.getrandbits(8)
            line.host.send(bytes((value,)))
            expected.append(value)
    await line.finish()
    assert bytes(line.sink.values) == expected
    assert expected
    assert line.errors == []


@cocotb.test()
async def framing_errors(dut: Any) -> None:
    bench = await start_bench(dut, make, "framing")
    line = Line(bench)
    expected = bytearray()
    errors = 0
    for _ in range(1 + 2000 // line.divisor):
        value = bench.rng.getrandbits(8)
        if bench.rng.random() < 0.4:
            for bit in frame(value, stop=0):
                line.host.level(bit, 1.0)
            # The line may stay low for any time: a break.
            line.host.level(0, bench.rng.choice((0.0, 0.7, 3.0, 30.0)))
            line.host.level(1, 1.0)
            errors += 1
        else:
            line.host.send(bytes((value,)))
            expected.append(value)
    await line.finish()
    assert bytes(line.sink.values) == expected
    assert len(line.errors) == errors


@cocotb.test()
async def hears_nothing_while_disabled(dut: Any) -> None:
    bench = await start_bench(dut, make, "enable")
    line = Line(bench)
    enabled = True
    line.drive = lambda: bench.set("enable", int(enabled))  # type: ignore[method-assign]
    data = bench.numpy.bytes(30)
    for part in range(3):
        enabled = part != 1
        line.host.send(data[10 * part : 10 * part + 10])
        await line.finish()
    assert bytes(line.sink.values) == data[:10] + data[20:]
    assert line.errors == []


@cocotb.test()
async def latency_and_ticks(dut: Any) -> None:
    bench = await start_bench(dut, make, "latency")
    line = Line(bench)
    line.host.stall = lambda: False
    line.host.level(1, 5.0)
    line.host.send(b"\x5a")
    line.host.level(1, 5.0)
    await line.finish()
    start = round(line.host.starts[1])
    middle = start + int(9.5 * line.divisor)
    assert [cycle - middle for cycle in line.sink.cycles] == [3]
    # The start bit begins a bit anew, 3 cycles behind its edge; else ticks are a bit apart.
    assert all((tick - start - 2) % line.divisor == 0 for tick in line.ticks if tick > start + 2)
    before = [tick for tick in line.ticks if tick <= start + 2]
    assert [b - a for a, b in itertools.pairwise(before)] == [line.divisor] * 4
    assert len(line.ticks) > 12
