# SPDX-License-Identifier: BSD-2-Clause
"""UartTransmitter: bytes go to the line, each bit from one tick to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.link.uart import UartTransmitter
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench
from celosia_sim.rtl.serial import SerialSink, frame
from celosia_sim.rtl.streams import StreamSource


def make(divisor: int) -> UartTransmitter:
    return UartTransmitter()


@pytest.mark.parametrize("divisor", [6, 24])
def test_uart_transmitter(run_block: Callable[..., None], divisor: int) -> None:
    run_block(make, divisor=divisor)


class Ticks:
    """Drives ``tick`` once in ``divisor`` cycles; keeps the levels of the line behind each, and
    asserts that it does not change in between."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.divisor: int = block_parameters()["divisor"]
        self.levels: list[int] = []
        self.idle: list[int] = []
        self._changes = True
        bench.agents.append(self)

    def drive(self) -> None:
        self.bench.set("tick", int(self.bench.cycle % self.divisor == 0))

    def sample(self) -> None:
        level = self.bench.get("tx")
        if self._changes:
            self.levels.append(level)
            self.idle.append(self.bench.get("idle"))
        assert level == self.levels[-1]
        self._changes = bool(self.bench.get("tick"))


async def random_bytes(dut: Any, deviation: float) -> None:
    bench = await start_bench(dut, make, f"bytes {deviation}")
    ticks = Ticks(bench)
    source = StreamSource(bench, "i", bench.stalls())
    host = SerialSink(bench, "tx", ticks.divisor * (1 + deviation))
    data = bench.numpy.bytes(200) + b"\x00\xff\x55\xaa"
    source.send(data)
    await bench.run(lambda: len(host.values) == len(data), limit=1_000_000)
    await bench.step(30 * ticks.divisor)
    assert bytes(host.values) == data


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
async def bits_and_throughput(dut: Any) -> None:
    bench = await start_bench(dut, make, "throughput")
    ticks = Ticks(bench)
    source = StreamSource(bench, "i")
    data = bench.numpy.bytes(50)
    source.send(data)
    await bench.step((10 * len(data) + 20) * ticks.divisor)
    assert source.done
    sent = [bit for value in data for bit in frame(value)]
    # The first tick takes the first byte.
    first = ticks.levels.index(0)
    assert ticks.levels[first:] == sent + [1] * (len(ticks.levels) - first - len(sent))
    assert first <= 2
    # Idle is the line's time of stop bits and of nothing.
    expected = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1] * len(data)
    assert ticks.idle[first : first + len(expected)] == expected
    assert all(ticks.idle[first + len(expected) :])
