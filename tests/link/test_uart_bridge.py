# SPDX-License-Identifier: BSD-2-Clause
"""UartBridge: commands on the line are accesses of the control port, and answers their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import cocotb
import pytest

from celosia_hw.link.uart import UartBridge
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, Stall
from celosia_sim.rtl.serial import SerialSink, SerialSource, frame

TIMEOUT_BITS = 6


def make(divisor: int) -> UartBridge:
    return UartBridge(divisor, timeout_bits=TIMEOUT_BITS)


@pytest.mark.parametrize("divisor", [8, 25])
def test_uart_bridge(run_block: Callable[..., None], divisor: int) -> None:
    run_block(make, divisor=divisor)


class Port:
    """The other side of the control port: keeps the accesses, and answers reads at random.

    Asserts that a request stays as it is until it is taken.
    """

    def __init__(self, bench: Bench, stall: Stall) -> None:
        self.bench = bench
        self.stall = stall
        self.accesses: list[tuple[bool, int, int]] = []
        self.stuck = False
        self._waiting: tuple[bool, int, int] | None = None
        self._answer = 0
        bench.agents.append(self)

    def drive(self) -> None:
        self._answer = self.bench.rng.getrandbits(32)
        self.bench.set("control__ready", int(not self.stuck and not self.stall()))
        self.bench.set("control__read_data", self._answer)

    def sample(self) -> None:
        bench = self.bench
        if not bench.get("control__valid"):
            assert self._waiting is None or self.stuck
            self._waiting = None
            return
        write = bool(bench.get("control__write"))
        value = bench.get("control__write_data") if write else 0
        access = (write, bench.get("control__address"), value)
        assert self._waiting in (None, access)
        self._waiting = access
        if bench.get("control__ready"):
            self.accesses.append(access if write else (*access[:2], self._answer))
            self._waiting = None


class System:
    """The bridge between a host, whose bits are ``deviation`` longer, and a control port."""

    def __init__(self, bench: Bench, deviation: float = 0.0) -> None:
        self.bench = bench
        self.divisor: int = block_parameters()["divisor"]
        cycles_per_bit = self.divisor * (1 + deviation)
        # Pauses of up to a few bytes, well below the time-out.
        rng = bench.rng
        self.host = SerialSource(bench, "rx", cycles_per_bit, stall=lambda: rng.random() < 0.3)
        self.answers = SerialSink(bench, "tx", cycles_per_bit)
        # Half a bit is the longest that the port takes to answer.
        waits = [True] * (self.divisor // 2 - 2)
        self.port = Port(bench, lambda: rng.choice([*waits, False, False]))
        self.expected: list[tuple[bool, int, int]] = []

    def send(self, command: int, words: Iterable[int] = ()) -> None:
        self.host.send(bytes((command,)) + b"".join(w.to_bytes(4, "little") for w in words))

    def write(self, register: int, exponent: int) -> None:
        """Queues a write of random words."""
        words = [self.bench.rng.getrandbits(32) for _ in range(4**exponent)]
        self.send(0x80 | exponent << 4 | register, words)
        self.expected += [(True, register, word) for word in words]

    async def read(self, register: int, exponent: int) -> None:
        """Reads, and compares the answer with what the port gave."""
        self.send(exponent << 4 | register)
        count = 4**exponent
        before = len(self.answers.values)
        await self.bench.run(
            lambda: len(self.answers.values) == before + 4 * count, limit=1_000_000
        )
        raw = bytes(self.answers.values[before:])
        accesses = self.port.accesses[-count:]
        assert [access[:2] for access in accesses] == [(False, register)] * count
        assert raw == b"".join(access[2].to_bytes(4, "little") for access in accesses)
        self.expected += accesses

    async def finish(self) -> None:
        await self.bench.run(lambda: self.host.done, limit=1_000_000)
        await self.bench.step(3 * self.divisor)

    async def silence(self) -> None:
        """Lets the time-out pass, with a bit to spare."""
        await self.finish()
        await self.bench.step(((1 << TIMEOUT_BITS) + 1) * self.divisor)

    async def check(self) -> None:
        """All accesses, and no other, were made; nothing else was answered."""
        await self.finish()
        assert self.port.accesses == self.expected
        reads = sum(not write for write, _, _ in self.expected)
        assert len(self.answers.values) == 4 * reads


async def random_accesses(dut: Any, deviation: float) -> None:
    bench = await start_bench(dut, make, f"accesses {deviation}")
    system = System(bench, deviation)
    for exponent in (0, 1, 0, 2, 0, 0, 1, 0):
        # Writes may follow each other without a pause.
        for _ in range(bench.rng.randint(0, 3)):
            system.write(bench.rng.getrandbits(4), exponent)
        await system.read(bench.rng.getrandbits(4), exponent)
    await system.check()


@cocotb.test()
async def exact_clock(dut: Any) -> None:
    await random_accesses(dut, 0.0)


@cocotb.test()
async def host_is_2_percent_slower(dut: Any) -> None:
    await random_accesses(dut, 0.02)


@cocotb.test()
async def host_is_2_percent_faster(dut: Any) -> None:
    await random_accesses(dut, -0.02)


@cocotb.test()
async def longest_repeats(dut: Any) -> None:
    bench = await start_bench(dut, make, "repeats")
    system = System(bench)
    system.host.stall = lambda: False
    system.write(5, 3)
    await system.read(5, 3)
    system.write(5, 0)
    await system.check()
    # Answers follow each other with at most a bit between the words of a read.
    starts = system.answers.starts
    words = [b - a for a, b in zip(starts[::4], starts[4::4], strict=False)]
    assert set(words) <= {40 * system.divisor, 41 * system.divisor}


@cocotb.test()
async def a_command_that_ends_too_early(dut: Any) -> None:
    bench = await start_bench(dut, make, "time-out")
    system = System(bench)
    for _ in range(12):
        # A write of up to four words lacks some bytes, at least one.
        data = bench.numpy.bytes(bench.rng.randrange(16))
        system.host.send(b"\x94" + data)
        whole = len(data) // 4
        words = [int.from_bytes(data[4 * i : 4 * i + 4], "little") for i in range(whole)]
        system.expected += [(True, 4, word) for word in words]
        await system.silence()
        system.write(bench.rng.getrandbits(4), 0)
        await system.read(bench.rng.getrandbits(4), 0)
    await system.check()


@cocotb.test()
async def no_time_out_before_its_time(dut: Any) -> None:
    bench = await start_bench(dut, make, "patience")
    system = System(bench)
    system.host.stall = lambda: False
    for _ in range(5):
        word = bench.rng.getrandbits(32)
        for value in (0x85, *word.to_bytes(4, "little")):
            system.host.send(bytes((value,)))
            # From one byte's end to the next one's: 10 bits of it are the byte.
            system.host.level(1, (1 << TIMEOUT_BITS) - 12)
        system.expected.append((True, 5, word))
    await system.read(7, 1)
    await system.check()


@cocotb.test()
async def framing_errors(dut: Any) -> None:
    bench = await start_bench(dut, make, "framing")
    system = System(bench)
    for _ in range(15):
        # A command is cut short by a byte without its stop bit; the next byte is a command.
        cut = bench.rng.randrange(5)
        system.host.send((b"\x83" + bench.numpy.bytes(4))[:cut])
        for bit in frame(bench.rng.getrandbits(8), stop=0):
            system.host.level(bit, 1.0)
        system.host.level(0, bench.rng.choice((0.0, 20.0)))
        system.host.level(1, 1.0)
        system.write(bench.rng.getrandbits(4), bench.rng.randrange(2))
        await system.read(bench.rng.getrandbits(4), 0)
    await system.check()


@cocotb.test()
async def a_port_that_is_never_ready(dut: Any) -> None:
    bench = await start_bench(dut, make, "stuck")
    system = System(bench)
    for command, words in ((0x81, [7]), (0x91, [7]), (0x01, []), (0x31, [])):
        system.port.stuck = True
        system.send(command, words)
        await system.silence()
        system.port.stuck = False
        await bench.step(system.divisor)
        system.write(bench.rng.getrandbits(4), 1)
        await system.read(bench.rng.getrandbits(4), 1)
    await system.check()


@cocotb.test()
async def hears_nothing_while_it_answers(dut: Any) -> None:
    bench = await start_bench(dut, make, "half duplex")
    system = System(bench)
    system.host.stall = lambda: False
    system.send(0x12)
    # The answer takes 160 bits; this ends within.
    system.host.level(1, 12.0)
    system.host.send(bench.numpy.bytes(10))
    await bench.run(lambda: len(system.answers.values) == 16, limit=100_000)
    accesses = list(system.port.accesses)
    assert [access[:2] for access in accesses] == [(False, 2)] * 4
    raw = b"".join(value.to_bytes(4, "little") for _, _, value in accesses)
    assert bytes(system.answers.values) == raw
    system.expected += accesses
    system.write(9, 1)
    await system.read(3, 0)
    await system.check()
