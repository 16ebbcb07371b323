# SPDX-License-Identifier: BSD-2-Clause
"""Endpoint: requests as bytes become accesses of the control port, and answers tell of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb

from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import IDENT_VALUE, Register, Space
from celosia_hw.link.endpoint import Endpoint
from celosia_hw.link.protocol import (
    REGISTER_SPACE,
    Answer,
    Command,
    Result,
    Unstuffer,
    parse_answer,
    request,
    stuff,
)
from celosia_sim.rtl.block import start_bench
from celosia_sim.rtl.cycles import Bench, Stall
from celosia_sim.rtl.streams import StreamSink, StreamSource

CONFIG = AcceleratorConfig(
    output_channels=4,
    input_channels=4,
    chain_rows=4,
    scratch_bytes=1 << 12,
    weight_depth=24,
    parameter_depth=16,
)


def make() -> Endpoint:
    return Endpoint(CONFIG)


def test_endpoint(run_block: Callable[..., None]) -> None:
    run_block(make)


class Port:
    """The control port: keeps the accesses, and answers reads at random.

    Asserts that a request stays as it is until it is taken.
    """

    def __init__(self, bench: Bench, stall: Stall) -> None:
        self.bench = bench
        self.stall = stall
        self.accesses: list[tuple[bool, int, int]] = []
        self._waiting: tuple[bool, int, int] | None = None
        self._answer = 0
        bench.agents.append(self)

    def drive(self) -> None:
        bench = self.bench
        self._answer = bench.rng.choice((bench.rng.getrandbits(32), 0x7D7E7D7E, 0, 2**32 - 1))
        bench.set("control__ready", int(not self.stall()))
        bench.set("control__read_data", self._answer)

    def sample(self) -> None:
        bench = self.bench
        if not bench.get("control__valid"):
            assert self._waiting is None
            return
        write = bool(bench.get("control__write"))
        value = bench.get("control__write_data") if write else 0
        access = (write, bench.get("control__address"), value)
        assert self._waiting in (None, access)
        self._waiting = access
        if bench.get("control__ready"):
            self.accesses.append(access if write else (*access[:2], self._answer))
            self._waiting = None


class Host:
    """Sends requests and collects answers."""

    def __init__(self, bench: Bench, *, stalls: bool = True) -> None:
        self.bench = bench
        self.source = StreamSource(bench, "i", bench.stalls())
        self.sink = StreamSink(bench, "o", bench.stalls())
        self.port = Port(bench, bench.stalls())
        self.sequence = 0
        self._unstuffer = Unstuffer()
        self._seen = 0
        bench.set("busy", 0)

    def answers(self) -> list[Answer]:
        """Those that have come since the last call."""
        new = bytes(self.sink.values[self._seen :])
        self._seen = len(self.sink.values)
        return [parse_answer(frame) for frame in self._unstuffer.feed(new)]

    async def send(self, data: bytes) -> list[Answer]:
        """Sends bytes as they are; what is answered until nothing happens any more."""
        self.source.send(data)
        await self.bench.run(lambda: self.source.done, limit=200_000)
        count = -1
        while count != len(self.sink.values):
            count = len(self.sink.values)
            await self.bench.step(400)
        return self.answers()

    async def ask(
        self, command: int, count: int, argument: int, words: list[int] | None = None
    ) -> Answer:
        """Sends a good frame; its one answer."""
        payload = b"".join(word.to_bytes(4, "little") for word in words or [])
        frame = stuff(request(command, self.sequence, count, argument, payload))
        (answer,) = await self.send(frame)
        assert answer.sequence == self.sequence
        return answer

    async def identify(self, number: int = 0) -> None:
        """Begins to number."""
        self.sequence = number
        answer = await self.ask(Command.IDENTIFY, 1, at(REGISTER_SPACE, 0))
        assert answer.result == Result.OK
        self.port.accesses.clear()

    async def do(
        self, command: int, count: int, argument: int, words: list[int] | None = None
    ) -> int:
        """The result of a request with the next number; it becomes the last one if it is done."""
        before = self.sequence
        self.sequence = (self.sequence + 1) % 256
        answer = await self.ask(command, count, argument, words)
        if answer.result != Result.OK:
            self.sequence = before
        assert not answer.payload
        return answer.result


def at(space: int, address: int) -> int:
    return space << 28 | address


@cocotb.test()
async def reads(dut: Any) -> None:
    bench = await start_bench(dut, make, "reads")
    host = Host(bench)
    for count in (1, 2, 7, 100, 1024):
        address = 4 * bench.rng.randrange(1024 - count + 1)
        host.port.accesses.clear()
        answer = await host.ask(Command.READ, count, at(Space.SCRATCH, address))
        first, *rest = host.port.accesses
        assert first == (True, Register.ADDRESS, address)
        assert [access[:2] for access in rest] == [(False, Register.DATA)] * count
        words = b"".join(access[2].to_bytes(4, "little") for access in rest)
        assert answer == Answer(host.sequence, Result.OK, words)


@cocotb.test()
async def reads_registers(dut: Any) -> None:
    bench = await start_bench(dut, make, "registers")
    host = Host(bench)
    for first in range(8):
        for count in range(1, 9 - first):
            host.port.accesses.clear()
            bench.set("busy", bench.rng.getrandbits(1))
            answer = await host.ask(Command.READ, count, at(REGISTER_SPACE, 4 * first))
            accesses = host.port.accesses
            assert [access[:2] for access in accesses] == [
                (False, register) for register in range(first, first + count)
            ]
            words = b"".join(access[2].to_bytes(4, "little") for access in accesses)
            assert answer == Answer(host.sequence, Result.OK, words)


@cocotb.test()
async def writes(dut: Any) -> None:
    bench = await start_bench(dut, make, "writes")
    host = Host(bench)
    await host.identify()
    for space, address, count in (
        (Space.SCRATCH, 0, 1),
        (Space.SCRATCH, 4, 1023),
        (Space.WEIGHTS, 16, 10),
        (Space.WEIGHTS, 0, 96),
        (Space.PARAMETERS, 8, 30),
    ):
        words = [
            bench.rng.choice((bench.rng.getrandbits(32), 0x7E7E7D7D, 0x7D5E5D7E))
            for _ in range(count)
        ]
        host.port.accesses.clear()
        assert await host.do(Command.WRITE, count, at(space, address), words) == Result.OK
        assert host.port.accesses == [
            (True, Register.ADDRESS, at(space, address)),
            *((True, Register.DATA, word) for word in words),
        ]


@cocotb.test()
async def sets_registers(dut: Any) -> None:
    bench = await start_bench(dut, make, "sets")
    host = Host(bench)
    await host.identify()
    for register in range(12, 16):
        value = bench.rng.getrandbits(32)
        host.port.accesses.clear()
        assert await host.do(Command.SET, register, value) == Result.OK
        assert host.port.accesses == [(True, register, value)]
    host.port.accesses.clear()
    for register, good in ((0, IDENT_VALUE), (1, CONFIG.fingerprint)):
        assert await host.do(Command.SET, register, good) == Result.OK
        for bit in (0, 13, 31):
            assert await host.do(Command.SET, register, good ^ 1 << bit) == Result.MISMATCH
    for register in (*range(2, 12), 16, 0x10F, 0x8000):
        assert await host.do(Command.SET, register, 0) == Result.COMMAND
    assert not host.port.accesses


@cocotb.test()
async def refuses(dut: Any) -> None:
    """What must not be done is answered with a result of its own, and not done."""
    bench = await start_bench(dut, make, "refuses")
    host = Host(bench)
    await host.identify()
    for command, count, argument, result in (
        (Command.END, 0, 0, Result.COMMAND),
        (5, 1, 0, Result.COMMAND),
        (0x81, 1, 0, Result.COMMAND),
        (Command.READ, 0, 0, Result.LENGTH),
        (Command.READ, 1, 2, Result.ADDRESS),
        (Command.READ, 1, 1, Result.ADDRESS),
        (Command.READ, 1, 4096, Result.ADDRESS),
        (Command.READ, 1025, 0, Result.ADDRESS),
        (Command.READ, 65535, 0, Result.ADDRESS),
        (Command.READ, 2, 4092, Result.ADDRESS),
        (Command.READ, 1, 0x0FFFFFFC, Result.ADDRESS),
        (Command.READ, 1, at(Space.WEIGHTS, 0), Result.ADDRESS),
        (Command.READ, 1, at(Space.PARAMETERS, 0), Result.ADDRESS),
        (Command.READ, 9, at(REGISTER_SPACE, 0), Result.ADDRESS),
        (Command.READ, 1, at(REGISTER_SPACE, 32), Result.ADDRESS),
        *((Command.READ, 1, at(space, 0), Result.ADDRESS) for space in range(4, 16)),
    ):
        answer = await host.ask(command, count, argument)
        assert answer == Answer(host.sequence, result), (command, count, argument, answer)
    for count, argument, result in (
        (1, at(Space.SCRATCH, 4096), Result.ADDRESS),
        (3, at(Space.SCRATCH, 4088), Result.ADDRESS),
        (1, at(REGISTER_SPACE, 0), Result.ADDRESS),
        (1, at(Space.WEIGHTS, 8), Result.ADDRESS),
        (97, at(Space.WEIGHTS, 0), Result.ADDRESS),
        (5, at(Space.WEIGHTS, 23 * 16), Result.ADDRESS),
        (1, at(Space.PARAMETERS, 4), Result.ADDRESS),
        (33, at(Space.PARAMETERS, 0), Result.ADDRESS),
        (1, at(7, 0), Result.ADDRESS),
    ):
        assert await host.do(Command.WRITE, count, argument, [5] * count) == result
    bench.set("busy", 1)
    assert await host.do(Command.WRITE, 1, 0, [1]) == Result.STATE
    assert await host.do(Command.SET, Register.CONTROL, 1) == Result.STATE
    assert await host.do(Command.SET, Register.CONTROL, 2) == Result.STATE
    assert (await host.ask(Command.READ, 1, 0)).result == Result.STATE
    assert not host.port.accesses
    assert await host.do(Command.SET, Register.CONTROL, 4) == Result.OK
    assert host.port.accesses == [(True, Register.CONTROL, 4)]


@cocotb.test()
async def numbers(dut: Any) -> None:
    """Only the next number is executed; the last one is answered, others are not accepted."""
    bench = await start_bench(dut, make, "numbers")
    host = Host(bench)
    # Before there is a number none is right.
    for number in (0, 1, 77):
        host.sequence = number
        assert (await host.ask(Command.SET, Register.START, 5)).result == Result.SEQUENCE
        assert (await host.ask(Command.WRITE, 1, 0, [1])).result == Result.SEQUENCE
    assert not host.port.accesses
    await host.identify(250)
    for turn in range(20):
        assert await host.do(Command.SET, Register.CONTROL, 1) == Result.OK
        assert len(host.port.accesses) == 1
        # Repetitions, also of START during the run.
        bench.set("busy", turn % 2)
        assert (await host.ask(Command.SET, Register.CONTROL, 1)).result == Result.OK
        bench.set("busy", 0)
        last = host.sequence
        for other in (2, 100, 255):
            host.sequence = (last + other) % 256
            answer = await host.ask(Command.WRITE, 1, 0, [1])
            assert answer == Answer(host.sequence, Result.SEQUENCE)
            # What is only read has any number, and does not count.
            assert (await host.ask(Command.READ, 1, at(REGISTER_SPACE, 24))).result == Result.OK
            host.port.accesses.pop()
        host.sequence = last
        assert len(host.port.accesses) == 1
        assert await host.do(Command.WRITE, 2, 0, [1, 2]) == Result.OK
        assert len(host.port.accesses) == 4
        answer = await host.ask(Command.WRITE, 2, 0, [1, 2])
        assert answer == Answer(host.sequence, Result.OK)
        assert len(host.port.accesses) == 4
        host.port.accesses.clear()


@cocotb.test()
async def damage(dut: Any) -> None:
    """Damaged requests are not executed, and the next good one is."""
    bench = await start_bench(dut, make, "damage")
    host = Host(bench)
    await host.identify()
    for _ in range(60):
        good = request(Command.WRITE, host.sequence + 1, 3, 64, bench.rng.randbytes(12))
        kind = bench.rng.randrange(4)
        host.port.accesses.clear()
        if kind == 0:  # the head is damaged
            place = bench.rng.randrange(12)
            bad = bytearray(good)
            bad[place] ^= 1 << bench.rng.randrange(8)
            assert await host.send(stuff(bytes(bad))) == []
            assert not host.port.accesses
        elif kind == 1:  # the words are: they are written where they should be, but not accepted
            place = bench.rng.randrange(12, len(good))
            bad = bytearray(good)
            bad[place] ^= 1 << bench.rng.randrange(8)
            assert await host.send(stuff(bytes(bad))) == [
                Answer(host.sequence + 1, Result.CHECKSUM)
            ]
            assert host.port.accesses[0] == (True, Register.ADDRESS, 64)
            assert [a[:2] for a in host.port.accesses[1:]] == [(True, Register.DATA)] * 3
        elif kind == 2:  # it is cut
            cut = bench.rng.randrange(1, len(good))
            assert await host.send(stuff(good[:cut])[:-1]) == []
        else:  # a byte is lost
            lost = bench.rng.randrange(len(good))
            assert await host.send(stuff(good[:lost] + good[lost + 1 :])) == []
            if lost < 12:
                assert not host.port.accesses
        host.port.accesses.clear()
        host.sequence = (host.sequence + 1) % 200
        if host.sequence == 0:
            assert (await host.ask(Command.IDENTIFY, 1, at(REGISTER_SPACE, 0))).result == 0
            continue
        (answer,) = await host.send(stuff(good))
        assert answer == Answer(host.sequence, Result.OK)
        assert len(host.port.accesses) == 4
