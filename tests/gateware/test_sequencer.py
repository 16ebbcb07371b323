# SPDX-License-Identifier: BSD-2-Clause
"""Sequencer: whole programs, against the order of events that they must cause."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.interfaces import has_pipelined_scratchpad, read_latency
from celosia_hw.gateware.sequencer import Sequencer
from celosia_hw.isa import (
    COMPUTE,
    INSTRUCTION_BYTES,
    SETUP,
    SIGNED,
    Error,
    Field,
    Opcode,
    encode,
)
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, Stall, never
from celosia_sim.rtl.memory_ports import BufferedWordMemory, WordMemory, WriteMemory

SIZE = 1 << 16
#: What a run ends with that has neither an error nor a breakpoint.
DONE = {"busy": 0, "done": 1, "paused": 0, "error": 0}


def make(word_bytes: int, single_port: bool, multipliers: str) -> Sequencer:
    return Sequencer(
        AcceleratorConfig(
            output_channels=word_bytes,
            input_channels=2,
            chain_rows=2,
            scratch_bytes=SIZE,
            scratch_single_port=single_port,
            multipliers=multipliers,
        )
    )


@pytest.mark.parametrize(
    ("single_port", "multipliers"),
    [(True, "mac16"), (False, "mac16"), (False, "mult18")],
    ids=["single-port", "two-port", "pipelined"],
)
@pytest.mark.parametrize("word_bytes", [4, 8, 16])
def test_sequencer(
    run_block: Callable[..., None], word_bytes: int, single_port: bool, multipliers: str
) -> None:
    run_block(make, word_bytes=word_bytes, single_port=single_port, multipliers=multipliers)


#: What the block does, such as ("compute", bits of the instruction).
Event = tuple[Any, ...]

#: Bits of the words that fetching needs: those before the addresses of outputs.
FETCH_WORDS = (1 << 32 * COMPUTE["out_base"].word) - 1
#: All of an instruction but the address of its tables, which counts while they are read.
KEPT = ~(((1 << COMPUTE["table_base"].width) - 1) << 32 * COMPUTE["table_base"].word)


def flat(events: list[list[Event]]) -> list[Event]:
    return list(itertools.chain.from_iterable(events))


class Units:
    """The units that an instruction starts: they work for a while, then their stores take a while.

    Keeps all events, and asserts that nothing goes on before they are finished.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.events: list[Event] = []
        self.table: list[int] = []
        self.working = self.storing = 0  # cycles to go
        self.busy_cycles: int | None = None  # unknown before the first run
        self.profiled = 0
        self.started = 0
        self.fetching: int | None = None  # what fetching began with
        unit.bench.agents.append(self)

    def drive(self) -> None:
        bench = self.unit.bench
        bench.set("working", int(self.working > 0))
        bench.set("storing", int(self.storing > 0))

    def sample(self) -> None:
        bench = self.unit.bench
        if self.busy_cycles is not None:
            assert bench.get("cycles") == self.busy_cycles
        flush = bench.get("flush")
        if self.unit.pipelined and bench.get("early_fetch"):
            assert self.fetching is None
            assert not self.working, "fetched while units work"
            assert not self.storing, "fetched while stores end"
            self.fetching = bench.bits("instruction") & FETCH_WORDS
        started = [name for name in ("setup", "compute", "fill") if bench.get(name)]
        if self.working or self.storing:
            assert not started
            assert not bench.get("profile__valid")
        assert not (flush and self.working), "flushed while units work"
        if flush:
            self.storing = max(self.storing - 1, 0)
        self.working = max(self.working - 1, 0)
        for name in started:
            if name == "compute" and self.unit.pipelined:
                assert self.fetching == bench.bits("instruction") & FETCH_WORDS
                self.fetching = None
            if name == "compute" and self.table:
                self.events.append(("table", self.table))
                self.table = []
            self.events.append((name, bench.bits("instruction") & KEPT))
            if name != "setup":
                self.started = bench.cycle
                self.working = bench.rng.randint(1, 60)
                self.storing = bench.rng.randint(0, 4)
        if bench.get("table_enable"):
            assert bench.get("table_row") == len(self.table)
            self.table.append(bench.get("table_data"))
        profile = self.unit.profile
        if len(profile.values) > self.profiled:
            value = profile.values[-1]
            lowest = (value["enable"] & -value["enable"]).bit_length() - 1
            assert value["enable"] == 15 << lowest
            address = value["word"] * self.unit.width + lowest
            time = value["data"] >> 8 * lowest & 0xFFFFFFFF
            assert time == self.busy_cycles
            self.events.append(("profile", address))
            self.profiled += 1
        if bench.get("start") and not bench.get("state")["busy"]:
            self.busy_cycles = 0
        elif self.busy_cycles is not None and bench.get("state")["busy"]:
            self.busy_cycles += 1


class Unit:
    """The block, its memory, and programs in it."""

    def __init__(self, bench: Bench, stall: Callable[[], Stall]) -> None:
        parameters = block_parameters()
        self.bench = bench
        self.width: int = parameters["word_bytes"]
        config = make(**parameters).config
        self.pipelined = has_pipelined_scratchpad(config)
        self.latency = read_latency(config)
        self.content = bytearray(bench.numpy.bytes(SIZE))
        kind = BufferedWordMemory if self.pipelined else WordMemory
        self.memory = kind(bench, "read", self.content, stall(), latency=self.latency)
        self.profile = WriteMemory(bench, "profile", bytearray(SIZE))
        self.units = Units(self)

    def random_instruction(self, opcode: Opcode) -> bytes:
        rng = self.bench.rng
        fields = {}
        for name, field in (SETUP if opcode == Opcode.SETUP else COMPUTE).items():
            if name == "opcode":
                continue
            value = rng.getrandbits(field.width)
            if name in SIGNED:
                value -= 1 << field.width - 1
            fields[name] = value + field.minus_one
        if opcode != Opcode.SETUP:
            fields["table_base"] = rng.randrange(SIZE // 2, SIZE - 2048) & -16
        else:
            fields["profile_base"] &= -4
        return encode(opcode, fields)

    def place(self, instructions: list[bytes], address: int) -> list[list[Event]]:
        """Writes a program; returns the events of each instruction."""
        events: list[list[Event]] = []
        profile = 0
        for index, code in enumerate(instructions):
            start = address + INSTRUCTION_BYTES * index
            self.content[start : start + INSTRUCTION_BYTES] = code
            bits = int.from_bytes(code, "little")
            opcode = bits & 15

            def get(name: str, layout: Any = COMPUTE, bits: int = bits) -> int:
                field: Field = layout[name]
                return bits >> 32 * field.word + field.lsb & ((1 << field.width) - 1)

            own: list[Event] = []
            if opcode == Opcode.SETUP:
                own.append(("setup", bits & KEPT))
                profile = get("profile_base", SETUP) % SIZE
            elif opcode == Opcode.FILL:
                own.append(("fill", bits & KEPT))
            elif opcode in (Opcode.CONV, Opcode.CHAIN, Opcode.MAX):
                if get("second_pass"):
                    base, rows = get("table_base"), 512
                    own.append(("table", [self._unit(base + 4 * i) for i in range(rows)]))
                own.append(("compute", bits & KEPT))
            if own:
                own.append(("profile", profile))
                profile = (profile + 4) % SIZE
            events.append(own)
        return events

    def _unit(self, address: int) -> int:
        return int.from_bytes(self.content[address : address + 4], "little")

    def program(self, count: int) -> list[bytes]:
        """SETUP, ``count`` random instructions, END."""
        opcodes = (Opcode.CONV, Opcode.CHAIN, Opcode.MAX, Opcode.FILL)
        middle = [self.random_instruction(self.bench.rng.choice(opcodes)) for _ in range(count)]
        return [self.random_instruction(Opcode.SETUP), *middle, encode(Opcode.END, {})]

    async def go(self, pulse: str, expected: list[Event]) -> dict[str, int]:
        """Starts or resumes, compares the events until nothing is busy, and returns the state."""
        bench = self.bench
        start = len(self.units.events)
        bench.set(pulse, 1)
        await bench.step()
        bench.set(pulse, 0)
        await bench.run(lambda: not bench.get("state")["busy"], limit=50_000)
        await bench.step(20)
        assert self.units.events[start:] == expected
        state: dict[str, int] = bench.get("state")
        return state


@cocotb.test()
async def random_programs(dut: Any) -> None:
    bench = await start_bench(dut, make, "random programs")
    unit = Unit(bench, bench.stalls)
    for _ in range(4):
        code = unit.program(bench.rng.randint(0, 6))
        address = bench.rng.randrange(64) * INSTRUCTION_BYTES
        events = unit.place(code, address)
        bench.set("address", address)
        state = await unit.go("start", flat(events))
        assert state == DONE | {"index": len(code) - 1}


@cocotb.test()
async def breakpoints(dut: Any) -> None:
    """The same program, stopped after each instruction, then anywhere, then started over."""
    bench = await start_bench(dut, make, "breakpoints")
    unit = Unit(bench, bench.stalls)
    code = unit.program(5)
    events = unit.place(code, 128)
    bench.set("address", 128)
    paused = {"busy": 0, "done": 0, "paused": 1, "error": 0}
    for stops in ([1, 2, 3, 4, 5, 6], [2, 5], [3]):
        pulse, at = "start", 0
        for stop in stops:
            bench.set("breakpoint", stop)
            state = await unit.go(pulse, flat(events[at:stop]))
            assert state == paused | {"index": stop}
            pulse, at = "resume", stop
        if len(stops) > 1:
            bench.set("breakpoint", 0)
            state = await unit.go("resume", flat(events[at:]))
            assert state == DONE | {"index": len(code) - 1}
            # There is nothing to go on with.
            bench.set("resume", 1)
            await bench.step(2)
            bench.set("resume", 0)
            assert bench.get("state") == state


@cocotb.test()
async def unknown_opcodes(dut: Any) -> None:
    bench = await start_bench(dut, make, "opcodes")
    unit = Unit(bench, bench.stalls)
    for opcode in set(range(16)) - set(Opcode):
        code = unit.program(1)
        code.insert(2, bytes([opcode | bench.rng.getrandbits(4) << 4]) + bench.rng.randbytes(63))
        events = unit.place(code, 0)
        bench.set("address", 0)
        state = await unit.go("start", flat(events[:2]))
        error = {"busy": 0, "done": 0, "paused": 0, "error": Error.OPCODE, "index": 2}
        assert state == error


@cocotb.test()
async def time_between_instructions(dut: Any) -> None:
    """From the cycle that stores an instruction's time to the start of the next one."""
    bench = await start_bench(dut, make, "time")
    unit = Unit(bench, lambda: never)
    code = [unit.random_instruction(Opcode.SETUP)]
    code += [unit.random_instruction(Opcode.FILL) for _ in range(3)] + [encode(Opcode.END, {})]
    events = unit.place(code, 0)
    bench.set("address", 0)
    await unit.go("start", flat(events))
    time = unit.units.started - unit.profile.cycles[-2]
    fetch = INSTRUCTION_BYTES // unit.width + unit.latency
    if unit.pipelined:
        # Asked for before, by two cycles and those that the stores took.
        assert 2 <= time <= fetch - 1
    else:
        assert time == fetch + 1


@cocotb.test()
async def time_of_tables(dut: Any) -> None:
    """One entry a cycle, but for the last ones; one wide word at a time from a pipelined memory."""
    bench = await start_bench(dut, make, "tables")
    unit = Unit(bench, lambda: never)
    code = [
        unit.random_instruction(Opcode.SETUP),
        unit.random_instruction(Opcode.FILL),
        encode(Opcode.MAX, {"second_pass": 1, "table_base": SIZE // 2}),
        encode(Opcode.END, {}),
    ]
    events = unit.place(code, 0)
    bench.set("address", 0)
    await unit.go("start", flat(events))
    time = unit.units.started - unit.profile.cycles[-2]
    fetch = INSTRUCTION_BYTES // unit.width + unit.latency + 1
    units = unit.width // 4
    entries = 512 * max(units, unit.latency) // units if unit.pipelined and units > 1 else 512
    assert time <= fetch + entries + (24 if unit.pipelined else 8)
