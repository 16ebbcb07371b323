# SPDX-License-Identifier: BSD-2-Clause
"""FlashReader: units arrive whole and in order, whatever happens to them or to the memory."""

from __future__ import annotations

import gc
import itertools
import struct
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.flash.reader import START_WAIT_US, FlashReader
from celosia_hw.isa import SEGMENT_BITS
from celosia_sim.flash import SIZE, W25Q128JV
from celosia_sim.flash.pins import FlashAgent, FlashPins
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, Stall, never
from celosia_sim.rtl.streams import StreamSink, StreamSource

START_QUAD = [0xFF, 0xAB, 0x66, 0x99, 0x50, 0x31]
START_SINGLE = [*START_QUAD[:4], 0xFF]


def make(clock_mhz: float, quad: bool, divider: int, latency: int) -> FlashReader:
    return FlashReader(clock_mhz=clock_mhz, quad=quad, divider=divider, latency=latency)


@pytest.mark.parametrize(
    ("clock_mhz", "quad", "divider", "latency"),
    [
        (24, True, 1, 2),
        pytest.param(50, True, 1, 2, marks=pytest.mark.long),
        pytest.param(110, True, 2, 2, marks=pytest.mark.long),
        (12, True, 2, 3),
        (24, False, 1, 2),
        pytest.param(48, False, 2, 2, marks=pytest.mark.long),
    ],
)
def test_flash_reader(
    run_block: Callable[..., None], clock_mhz: float, quad: bool, divider: int, latency: int
) -> None:
    run_block(make, clock_mhz=clock_mhz, quad=quad, divider=divider, latency=latency)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"divider": 3}, "divider must be 1 or 2, not 3"),
        ({"latency": 0}, "latency must be from 1 to 4, not 0"),
        ({"clock_mhz": 0.5}, "clock_mhz must be from 1 to 400, not 0.5"),
    ],
)
def test_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlashReader(**({"clock_mhz": 24} | parameters))
    gc.collect()


class System:
    """A reader between a memory and someone who reads it."""

    def __init__(self, bench: Bench, *, stalls: bool = True, power_down: bool = False) -> None:
        parameters = block_parameters()
        self.bench = bench
        self.quad: bool = parameters["quad"]
        self.divider: int = parameters["divider"]
        self.latency: int = parameters["latency"]
        #: Cycles of a unit on the wires.
        self.unit_cycles = (8 if self.quad else 32) * self.divider
        self.content = bench.numpy.bytes(SIZE)
        self.chip = W25Q128JV(self.content, power_down=power_down)
        self.pins = FlashPins(
            self.chip,
            period_ns=1000 / parameters["clock_mhz"],
            divider=self.divider,
            extra=self.latency - 2,
        )
        FlashAgent(bench, "pins", self.pins)
        stall: Callable[[], Stall] = bench.stalls if stalls else lambda: never
        self.requests = StreamSource(bench, "request", stall())
        self.units = StreamSink(bench, "units", stall())
        #: Cycles within which the start is over.
        self.start_cycles = int((6 * 2 * START_WAIT_US + 12) * parameters["clock_mhz"]) + 200

    def expected(self, address: int, count: int) -> list[int]:
        data = self.content[address : address + 4 * count]
        data = (data + self.content)[: 4 * count]
        return list(struct.unpack(f"<{len(data) // 4}I", data))

    def request(self, address: int, count: int) -> list[int]:
        self.requests.send([{"address": address, "units": count}])
        return self.expected(address, count)

    def random(self, count: int) -> list[int]:
        return self.request(4 * self.bench.rng.randrange(SIZE // 4), count)

    async def receive(self, expected: list[int]) -> None:
        """Waits for all that was requested, and compares; nothing more may arrive."""
        limit = self.start_cycles + 40 * self.unit_cycles * (len(expected) + 10)
        units = self.units
        done = lambda: len(units.values) >= len(expected) and self.requests.done  # noqa: E731
        await self.bench.run(done, limit=limit)
        await self.bench.step(4 * self.unit_cycles)
        assert units.values == expected
        assert not self.chip.selected
        units.values.clear()
        units.cycles.clear()

    async def reset(self) -> None:
        bench = self.bench
        bench.dut.rst.value = 1
        # What the block shows in this cycle may still be taken.
        await bench.step()
        self.units.reset()
        await bench.step(bench.rng.randrange(3))
        bench.dut.rst.value = 0

    def forget(self) -> None:
        """Nothing that was requested counts any more, and nothing is requested."""
        self.requests.pending.clear()
        self.requests.offering = False
        self.units.reset()
        self.units.values.clear()
        self.units.cycles.clear()


@cocotb.test()
async def start(dut: Any) -> None:
    """The first command of a read is the last of a start that has its waits."""
    bench = await start_bench(dut, make, "start")
    system = System(bench, stalls=False, power_down=True)
    chip = system.chip
    # FFh is ignored in a power-down, all others work.
    sequence = (START_QUAD if system.quad else START_SINGLE)[1:]
    deselected = 0
    waits = []
    while chip.log != sequence or chip.selected:
        assert bench.cycle < system.start_cycles
        was_selected = chip.selected
        await bench.step()
        if chip.selected and not was_selected:
            waits.append((bench.cycle - deselected) * system.pins.period_ns / 1000)
        elif was_selected and not chip.selected:
            deselected = bench.cycle
    assert len(waits) == len(sequence) + 1
    assert all(START_WAIT_US <= wait <= 2 * START_WAIT_US + 1 for wait in waits)
    assert chip.status == [0, 2 if system.quad else 0]
    await system.receive(system.random(3))
    assert chip.log[-1] == (0xEB if system.quad else 0x0B)


@cocotb.test()
async def random_reads(dut: Any) -> None:
    bench = await start_bench(dut, make, "reads")
    system = System(bench)
    for _ in range(4):
        # Some follow each other, others come alone.
        expected = []
        for _ in range(4):
            expected += system.random(bench.rng.choice((1, 2, bench.rng.randrange(3, 40))))
        await system.receive(expected)
    await system.receive(system.request(0, 5) + system.request(20, 3) + system.request(SIZE - 4, 1))
    await system.receive(system.request(SIZE - 16, 9))
    await system.receive(system.random(0) + system.random(0) + system.random(2))


@cocotb.test()
async def throughput(dut: Any) -> None:
    """The memory's clock hardly stands still."""
    bench = await start_bench(dut, make, "throughput")
    system = System(bench, stalls=False)
    await system.receive(system.random(1))
    count = 288 if system.quad else 96
    began = bench.cycle
    expected = system.random(count) + system.random(count)
    await bench.run(lambda: len(system.units.values) == 2 * count, limit=10**6)
    cycles = bench.cycle - began
    assert 2 * count * system.unit_cycles >= (0.97 if system.quad else 0.95) * cycles
    taken = list(system.units.cycles)
    await system.receive(expected)
    # Within a read each unit is on time; so is the first one.
    gaps = {after - before for before, after in itertools.pairwise(taken)}
    steady, between = sorted(gaps)
    assert steady == system.unit_cycles
    overhead = (20 if system.quad else 40) * system.divider
    assert between <= steady + overhead + 0.1 * block_parameters()["clock_mhz"] + 4
    await bench.step(100)
    began = bench.cycle
    expected = system.random(1)
    await bench.run(lambda: bool(system.units.values), limit=1000)
    latency = system.units.cycles[0] - began
    exact = overhead + steady + system.latency + 2
    assert exact - 1 <= latency <= exact + system.divider - 1
    await system.receive(expected)


@cocotb.test()
async def taken_late(dut: Any) -> None:
    """A unit that is taken just in time costs nothing; the clock is held for one that is not."""
    bench = await start_bench(dut, make, "late")
    system = System(bench, stalls=False)
    delay = 0
    waited = 0

    def stall() -> bool:
        nonlocal waited
        waited = waited + 1 if bench.bits("units__valid") else 0
        return waited <= delay

    await system.receive(system.random(1))
    system.units.stall = stall
    limit = system.unit_cycles - system.latency - 1
    for delay in (limit - 1, 3 * system.unit_cycles):
        count = 12
        expected = system.random(count)
        await bench.run(lambda: len(system.units.values) == 12, limit=10_000)
        taken = list(system.units.cycles)
        clocks = system.pins.clocks
        await system.receive(expected)
        span = (taken[-1] - taken[0]) / (count - 1)
        if delay < limit:
            assert span == system.unit_cycles
        else:
            assert span > delay
        assert system.pins.clocks == clocks


@cocotb.test()
async def stop(dut: Any) -> None:
    """After a stop at any moment nothing is left of what was requested before."""
    bench = await start_bench(dut, make, "stop")
    system = System(bench)
    rng = bench.rng
    await system.receive(system.random(2))
    cut = 0
    for _ in range(60):
        expected = system.random(rng.randrange(1, 6))
        await bench.step(rng.randrange(2 + 7 * system.unit_cycles))
        bench.set("stop", 1)
        await bench.step()
        got = list(system.units.values)
        assert got == expected[: len(got)]
        cut += 0 < len(got) < len(expected)
        system.forget()
        await bench.step(rng.choice((0, 0, 1, 5)))
        assert not bench.get("units__valid")
        bench.set("stop", 0)
        await bench.step(rng.choice((0, 1, 30)))
        await system.receive(system.random(rng.randrange(1, 4)))
    assert cut > 3
    # One that goes on for ever.
    expected = system.random((1 << SEGMENT_BITS) - 1)
    await bench.run(lambda: len(system.units.values) > 20, limit=1000 * system.unit_cycles)
    assert system.units.values == expected[: len(system.units.values)]
    bench.set("stop", 1)
    await bench.step()
    system.forget()
    bench.set("stop", 0)
    await system.receive(system.random(2))


@cocotb.test()
async def stop_keeps_a_request(dut: Any) -> None:
    """A request that was not taken is begun again; during the start a stop does nothing."""
    bench = await start_bench(dut, make, "stop keeps")
    system = System(bench, stalls=False)
    expected = system.random(2)
    bench.set("stop", 1)
    await bench.step(system.start_cycles)
    sequence = START_QUAD if system.quad else START_SINGLE
    assert system.chip.log == sequence
    assert not system.chip.selected
    for _ in range(2):
        bench.set("stop", 0)
        await bench.run(lambda: system.chip.selected, limit=40)
        await bench.step(4 * system.divider)
        bench.set("stop", 1)
        await bench.step(3)
        assert not system.chip.selected
    bench.set("stop", 0)
    assert not system.requests.done
    await system.receive(expected)


@cocotb.test()
async def reset(dut: Any) -> None:
    """After a reset at any moment, with the memory in any state, reads are right."""
    bench = await start_bench(dut, make, "reset")
    system = System(bench)
    rng = bench.rng
    chip = system.chip
    # The start takes most of the time, the longer the faster the clock.
    rounds = 3 if block_parameters()["clock_mhz"] < 40 else 1
    states = ["start", "read", "power-down", "continuous"] * rounds
    for state in states:
        system.random(rng.randrange(1, 8))
        if state == "start":
            await bench.step(rng.randrange(system.start_cycles))
        else:
            await bench.run(lambda: chip.selected and 0x99 in chip.log, limit=10**6)
            await bench.run(lambda: system.requests.done, limit=10**6)
            await bench.step(rng.randrange(9 * system.unit_cycles))
        await system.reset()
        system.forget()
        await bench.step(2)
        assert not chip.selected
        # What someone else may have left.
        if state == "power-down":
            chip.power_down = True
        elif state == "continuous":
            chip.continuous = True
        chip.log.clear()
        await system.receive(system.random(3))
