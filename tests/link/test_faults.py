# SPDX-License-Identifier: BSD-2-Clause
"""Endpoint on a bad line: it does what the model of the protocol does, byte by byte, and whatever
came before, the next good request works."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Control, Register, Space
from celosia_hw.link.endpoint import Endpoint
from celosia_hw.link.protocol import (
    FLAG,
    REGISTER_SPACE,
    Command,
    Result,
    Unstuffer,
    parse_answer,
    request,
    stuff,
)
from celosia_sim.link_model import Endpoint as Model
from celosia_sim.link_model import Memories
from celosia_sim.rtl.block import block_parameters
from celosia_sim.rtl.host import PERIOD_NS, idle_cycles

CONFIG = AcceleratorConfig(
    output_channels=4,
    input_channels=4,
    chain_rows=4,
    scratch_bytes=1 << 10,
    weight_depth=24,
    parameter_depth=16,
)
#: Faults of each kind in a run, and bytes of noise.
FAULTS = 250
NOISE = 100_000


def make(seed: int) -> Endpoint:
    return Endpoint(CONFIG)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_faults(run_block: Callable[..., None], seed: int) -> None:
    run_block(make, seed=seed)


class DisagreementError(AssertionError):
    """The endpoint and the model disagree."""


class System:
    """The endpoint with memories behind it, beside the model with memories of its own.

    Each byte goes to both, unless the endpoint does not listen.
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.rng = random.Random(block_parameters()["seed"])
        self.memories = Memories(CONFIG)
        self.shadow = Memories(CONFIG)
        for space, content in self.memories.memory.items():
            content[:] = self.rng.randbytes(len(content))
            self.shadow.memory[space][:] = content
        self.model = Model(self.shadow)
        self.sent = bytearray()
        self.expected = bytearray()
        self.deaf = 0
        self._address = 0

    async def start(self) -> None:
        dut = self.dut
        for name in ("i__valid", "i__payload", "busy", "control__read_data"):
            getattr(dut, name).value = 0
        dut.control__ready.value = dut.o__ready.value = 1
        dut.rst.value = 1
        Clock(dut.clk, PERIOD_NS, "ns").start()
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        cocotb.start_soon(self._accesses())
        cocotb.start_soon(self._answers())

    async def _accesses(self) -> None:
        """The control port: an access takes one cycle."""
        dut = self.dut
        while True:
            await RisingEdge(dut.control__valid)
            await FallingEdge(dut.clk)
            register = int(dut.control__address.value)
            value = int(dut.control__write_data.value)
            memories = self.memories
            if not int(dut.control__write.value):
                if register == Register.DATA:
                    space, address = self._address >> 28, self._address & 0xFFFFFFF
                    dut.control__read_data.value = memories.read(space, address)
                    self._address += 4
                else:
                    dut.control__read_data.value = memories.read(REGISTER_SPACE, 4 * register)
            elif register == Register.ADDRESS:
                self._address = value
            elif register == Register.DATA:
                memories.write(self._address >> 28, self._address & 0xFFFFFFF, value)
                self._address += 4
            else:
                memories.set(register, value)

    async def _answers(self) -> None:
        dut = self.dut
        while True:
            await RisingEdge(dut.o__valid)
            await FallingEdge(dut.clk)
            while int(dut.o__valid.value):
                self.sent.append(int(dut.o__payload.value))
                await FallingEdge(dut.clk)

    async def feed(self, data: bytes) -> None:
        """Sends bytes one behind the other, each after the time that a fast line needs."""
        dut = self.dut
        for byte in data:
            if int(dut.listening.value):
                dut.i__valid.value = 1
                dut.i__payload.value = byte
                await FallingEdge(dut.clk)
                dut.i__valid.value = 0
                self.expected += self.model.feed(bytes((byte,)))
            else:
                self.deaf += 1
            await idle_cycles(dut, 16)

    async def settle(self) -> None:
        """Waits for the end of an answer; both have done the same then."""
        count = -1
        while count != len(self.sent):
            count = len(self.sent)
            await idle_cycles(self.dut, 60)
        if self.sent != self.expected:
            raise DisagreementError(f"sent {self.sent.hex()}, not {self.expected.hex()}")
        assert self.memories.memory == self.shadow.memory
        assert self.memories.registers == self.shadow.registers
        assert self.memories.started == self.shadow.started

    def answers(self) -> list[tuple[int, int]]:
        """Number and result of what was answered since the last call."""
        frames = Unstuffer().feed(bytes(self.sent))
        self.sent.clear()
        self.expected.clear()
        return [(answer.sequence, answer.result) for answer in map(parse_answer, frames)]

    def draw(self) -> tuple[int, int, int, int, bytes]:
        """A good request: command, number, count, argument, words."""
        rng = self.rng
        assert self.model.last is not None
        number = (self.model.last + 1) % 256
        kind = rng.randrange(4)
        if kind == 0:
            register = rng.choice((12, 13, 14, 15))
            value = rng.getrandbits(32) if register != 15 else 1 << rng.choice(list(Control))
            return Command.SET, number, register, value, b""
        if kind == 1:
            count = rng.randrange(1, 20)
            return Command.READ, rng.randrange(256), count, 4 * rng.randrange(256 - count + 1), b""
        space = rng.choice((Space.SCRATCH, Space.WEIGHTS, Space.PARAMETERS))
        row = self.shadow.row(space)
        address = row * rng.randrange(self.shadow.size(space) // row)
        count = rng.randrange(1, min(16, (self.shadow.size(space) - address) // 4) + 1)
        return Command.WRITE, number, count, space << 28 | address, rng.randbytes(4 * count)

    async def works(self) -> None:
        """The next good request is answered with OK."""
        self.answers()
        if self.rng.random() < 0.5:
            command, number, count, argument, words = self.draw()
        else:
            command, number, words = Command.IDENTIFY, self.rng.randrange(256), b""
            count, argument = 8, REGISTER_SPACE << 28
        await self.feed(stuff(request(command, number, count, argument, words)))
        await self.settle()
        assert self.answers() == [(number, Result.OK)]


async def started(dut: Any) -> System:
    system = System(dut)
    await system.start()
    # Nothing is numbered yet.
    await system.feed(stuff(request(Command.SET, 1, Register.CONTROL, 1)))
    await system.settle()
    assert system.answers() == [(1, Result.SEQUENCE)]
    await system.feed(stuff(request(Command.IDENTIFY, 200, 1, REGISTER_SPACE << 28)))
    await system.settle()
    assert system.answers() == [(200, Result.OK)]
    return system


@cocotb.test()
async def faults(dut: Any) -> None:
    system = await started(dut)
    rng = system.rng
    old = b""
    seen: dict[str, int] = {}
    kinds = ("cut", "bit", "burst", "twice", "late", "lost byte", "checksum", "command", "place")
    for turn in range(FAULTS * (len(kinds) + 1)):
        kind = (*kinds, "state")[turn % (len(kinds) + 1)]
        good = system.draw()
        frame = request(*good)
        line = bytearray(stuff(frame))
        silent_or_error = True
        if kind == "cut":
            del line[rng.randrange(1, len(line) - 1) :]
        elif kind == "bit":
            line[rng.randrange(len(line))] ^= 1 << rng.randrange(8)
        elif kind == "burst":
            begin = rng.randrange(len(line))
            length = rng.randrange(2, 9)
            line[begin : begin + length] = rng.randbytes(len(line[begin : begin + length]))
        elif kind == "twice":
            line *= 2
            silent_or_error = False
        elif kind == "late":
            line = bytearray(old) or line
            silent_or_error = False
        elif kind == "lost byte":
            del line[rng.randrange(1, len(line) - 1)]
        elif kind == "checksum":
            place = rng.choice([8, 9, 10, 11, *range(len(frame) - 4, len(frame))])
            bad = bytearray(frame)
            bad[place] ^= rng.randrange(1, 256)
            line = bytearray(stuff(bytes(bad)))
        elif kind == "command":
            command = rng.choice([0, *range(5, 256)])
            line = bytearray(stuff(request(command, *good[1:4])))
        elif kind == "place":
            space = rng.choice([*range(16), 0, 0, 1, 2, 3])
            argument = space << 28 | rng.choice((rng.getrandbits(28), rng.getrandbits(12)))
            count = rng.choice((0, rng.randrange(300), rng.getrandbits(16)))
            # Too much is never sent: the answer must not wait for it.
            line = bytearray(stuff(request(Command.WRITE, good[1], count, argument, b"")))
            silent_or_error = False
        else:
            dut.busy.value = 1
            system.shadow._polls = 1
            silent_or_error = False
        await system.feed(bytes(line))
        await system.settle()
        dut.busy.value = 0
        system.shadow._polls = 0
        results = [result for _, result in system.answers()]
        if silent_or_error and line[0] == FLAG and line[-1] == FLAG:
            assert Result.OK not in results, (kind, frame.hex(), bytes(line).hex())
        for result in results:
            seen[Result(result).name] = seen.get(Result(result).name, 0) + 1
        await system.works()
        old = stuff(frame)
    # All that can be wrong was met, but what only SET of IDENT and CONFIG gives.
    assert set(seen) == {result.name for result in Result} - {"MISMATCH"}, seen
    dut._log.info("results: %s", seen)


@cocotb.test()
async def noise(dut: Any) -> None:
    system = await started(dut)
    before = {space: bytes(content) for space, content in system.memories.memory.items()}
    left = NOISE
    while left:
        piece = min(left, 5000)
        left -= piece
        # Some noise has many flags and escapes.
        rich = system.rng.random() < 0.3
        noise = bytes(
            system.rng.choice((FLAG, 0x7D, 0, 1, 2, 255)) if rich else system.rng.getrandbits(8)
            for _ in range(piece)
        )
        await system.feed(noise)
        await system.settle()
        assert system.answers() == []
        assert {s: bytes(c) for s, c in system.memories.memory.items()} == before
        number = system.rng.randrange(256)
        await system.feed(stuff(request(Command.IDENTIFY, number, 8, REGISTER_SPACE << 28)))
        await system.settle()
        assert system.answers() == [(number, Result.OK)]
