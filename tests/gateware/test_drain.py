# SPDX-License-Identifier: BSD-2-Clause
"""Drain: emissions leave in beats, each with its values, address, residuals and parameter row."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.drain import Drain, operands_latency
from celosia_hw.isa import ADDRESS_BITS, Opcode, encode
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, never
from celosia_sim.rtl.loop_nest import emissions
from celosia_sim.rtl.memory_ports import WordMemory
from celosia_sim.rtl.ring import Ring
from celosia_sim.rtl.streams import StreamSink, StreamSource

SIZE = 1 << ADDRESS_BITS


def make(config: dict[str, Any]) -> Drain:
    return Drain(AcceleratorConfig.from_dict(config))


@pytest.mark.parametrize(
    ("rows", "lanes", "requantize_lanes", "depth", "multipliers"),
    [
        (2, 2, 1, 16, "mac16"),
        (4, 4, 1, 20, "mac16"),
        (2, 8, 2, 16, "mult18"),
        (8, 16, 4, 32, "mult18"),
        (16, 16, 1, 24, "mac16"),
    ],
)
def test_drain(
    run_block: Callable[..., None],
    rows: int,
    lanes: int,
    requantize_lanes: int,
    depth: int,
    multipliers: str,
) -> None:
    config = {
        "output_channels": rows,
        "input_channels": lanes,
        "chain_rows": 2,
        "scratch_bytes": SIZE,
        "requantize_lanes": requantize_lanes,
        "parameter_depth": depth,
        "multipliers": multipliers,
    }
    run_block(make, config=config)


class Beats:
    """Looks at each beat in the cycle in which it leaves: its row, and whose turn it is; and at its
    operands when they are due."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.rows: list[int] = []  # for each expected beat, rows as the instruction counts them
        self.ring_offset: int | None = None
        self.turns = 0  # cycles in which the requantizer moved
        self.used: list[int] = []  # the turns of beats that left
        self.operands: list[dict[str, Any]] = []
        late = operands_latency(unit.config)
        self.due = deque([False] * late)  # whether a beat left in these cycles before
        unit.bench.agents.append(self)

    def drive(self) -> None:
        pass

    def sample(self) -> None:
        unit, bench = self.unit, self.unit.bench
        sent = len(unit.sink.values)
        left = sent > len(self.used)
        assert bench.get("enable") == left
        self.due.append(left)
        if self.due.popleft():
            self.operands.append(bench.get("operands"))
        if left:
            row = self.rows[sent - 1]
            assert bench.get("row") == row % unit.config.parameter_depth
            if self.ring_offset is not None:
                unit.ring.check_use(row - self.ring_offset)
            self.used.append(self.turns)
        if unit.expected_busy is not None:
            assert bench.get("busy") == unit.expected_busy
            if left and sent == len(self.rows):
                unit.expected_busy = 0
        self.turns += bench.bits("o__ready")


class Unit:
    """The block with a source of emissions, a memory of residuals, a ring and a sink."""

    def __init__(self, bench: Bench, *, stalls: bool, latency: int) -> None:
        self.bench = bench
        self.config = AcceleratorConfig.from_dict(block_parameters()["config"])
        stall = bench.stalls if stalls else lambda: never
        self.content = bytearray(bench.numpy.bytes(SIZE))
        self.source = StreamSource(bench, "i", stall())
        self.memory = WordMemory(bench, "residual", self.content, stall(), latency=latency)
        self.sink = StreamSink(bench, "o", stall())
        self.ring = Ring(bench, self.config.parameter_depth, stall())
        self.ring_rows = 0
        self.expected_busy: int | None = None
        self.beats = Beats(self)

    async def run(self, opcode: Opcode, fields: dict[str, int]) -> None:
        """Runs one instruction; compares all beats, rows, and what was freed."""
        bench, config = self.bench, self.config
        q = config.requantize_lanes
        whole = config.output_channels if opcode == Opcode.CONV else config.input_channels
        loads = 1 if fields["parameters_uniform"] else fields["groups"] * whole // q
        ring = bool(fields["parameters_ring"])
        if ring:
            fields = fields | {"parameter_base": self.ring_rows % config.parameter_depth}
        base = fields["parameter_base"]
        inputs, expected = [], []
        for emission in emissions(opcode, fields, config):
            values = [self._value() for _ in range(config.group_bytes)]
            inputs.append(values)
            for start in range(0, emission.count, q):
                count = min(q, emission.count - start)
                residual = emission.address + fields["residual_delta"] + start
                expected.append(
                    {
                        "values": values[start : start + count],
                        "residual": [self.content[(residual + i) % SIZE] for i in range(count)]
                        if fields["residual"]
                        else [],
                        "address": (emission.address + start) % SIZE,
                        "count": count,
                    }
                )
                row = emission.group * whole // q + start // q
                self.beats.rows.append(base + (0 if fields["parameters_uniform"] else row))
        self.beats.ring_offset = base - self.ring_rows if ring else None
        freed, sent = self.ring.freed, len(self.sink.values)
        if ring:
            self.ring.to_come += loads
            self.ring_rows += loads
        bench.set("instruction", int.from_bytes(encode(opcode, fields), "little"))
        bench.set("start", 1)
        self.expected_busy = None
        await bench.step()
        bench.set("start", 0)
        self.expected_busy = 1
        await bench.step()
        self.source.send(inputs)
        done = sent + len(expected)
        await bench.run(lambda: len(self.sink.values) == done, limit=200 * len(expected) + 2000)
        await bench.step(2)
        got = []
        assert len(self.beats.operands) == done
        for value, operands in zip(
            self.sink.values[sent:], self.beats.operands[sent:], strict=True
        ):
            count = value["count"]
            known = {"values": operands["values"][:count]}
            known["residual"] = operands["residual"][:count] if fields["residual"] else []
            got.append(value | known)
        fresh = [value.pop("fresh") for value in got]
        assert got == expected
        self._check_fresh(fresh, got)
        assert self.ring.freed - freed == (loads if ring else 0)
        if fields["second_pass"] and not config.free_running:
            turns = self.beats.used[sent:]
            assert len({turn % 2 for turn in turns}) == 1, "second passes have no turn"

    def _check_fresh(self, fresh: list[int], beats: list[dict[str, Any]]) -> None:
        """Beats into another word than those before are told; from word to word exactly those."""
        word = self.config.word_bytes
        for last, beat, told in zip(beats, beats[1:], fresh[1:], strict=False):
            end = last["address"] + last["count"] - 1
            differs = end % SIZE // word != beat["address"] // word
            follows = beat["address"] == (end + 1) % SIZE
            crosses = last["address"] // word != end // word
            assert told >= differs
            if follows and not crosses:
                assert told == differs

    def _value(self) -> int:
        limit = 1 << self.config.accumulator_bits - 1
        return self.bench.rng.choice((self.bench.rng.randrange(-limit, limit), -limit, limit - 1))


def random_fields(
    rng: random.Random, opcode: Opcode, config: AcceleratorConfig, counts: dict[str, int]
) -> dict[str, int]:
    whole = config.output_channels if opcode == Opcode.CONV else config.input_channels
    addresses = ("out_base", "out_group", "out_line", "out_position", "residual_delta")
    second = rng.randrange(2)
    residual = second and rng.randrange(2)
    align = whole if residual else 1
    fields = {name: rng.randrange(SIZE // align) * align for name in addresses}
    return (
        fields
        | counts
        | {
            "second_pass": second,
            "residual": residual,
            "parameters_ring": rng.randrange(2),
            "parameters_uniform": rng.randrange(2),
            "skip": rng.randrange(min(counts["positions"], 16)) if opcode == Opcode.CHAIN else 0,
            "tail": rng.choice((whole, rng.randint(1, whole))),
            "parameter_base": rng.randrange(config.parameter_depth),
        }
    )


async def random_instructions(dut: Any, latency: int) -> None:
    bench = await start_bench(dut, make, f"random instructions {latency}")
    unit = Unit(bench, stalls=True, latency=latency)
    rng = bench.rng
    for _ in range(30):
        opcode = rng.choice((Opcode.CONV, Opcode.CHAIN, Opcode.MAX))
        counts = {name: rng.randint(1, 4) for name in ("groups", "lines", "positions")}
        await unit.run(opcode, random_fields(rng, opcode, unit.config, counts))


@cocotb.test()
async def random_instructions_latency_1(dut: Any) -> None:
    await random_instructions(dut, 1)


@cocotb.test()
async def random_instructions_latency_2(dut: Any) -> None:
    await random_instructions(dut, 2)


@cocotb.test()
async def rows_of_a_short_group_arrive_late(dut: Any) -> None:
    """A last group that stores one value still owns all of its rows, and frees them."""
    bench = await start_bench(dut, make, "short group")
    unit = Unit(bench, stalls=False, latency=1)
    unit.ring.stall = lambda: bench.rng.random() < 0.95
    counts = {"groups": 2, "lines": 1, "positions": 1}
    for _ in range(5):
        fields = random_fields(bench.rng, Opcode.CONV, unit.config, counts)
        fields |= {"tail": 1, "parameters_ring": 1, "parameters_uniform": 0}
        await unit.run(Opcode.CONV, fields)


@cocotb.test()
async def throughput(dut: Any) -> None:
    bench = await start_bench(dut, make, "throughput")
    unit = Unit(bench, stalls=False, latency=1)
    counts = {"groups": 2, "lines": 2, "positions": 4}
    for second in (0, 1):
        fields = random_fields(bench.rng, Opcode.CONV, unit.config, counts)
        tail = unit.config.output_channels
        fields |= {"second_pass": second, "residual": 0, "parameters_ring": 0, "tail": tail}
        sent = len(unit.sink.cycles)
        await unit.run(Opcode.CONV, fields)
        cycles = unit.sink.cycles[sent:]
        each = 2 if second and not unit.config.free_running else 1
        assert cycles == [cycles[0] + each * i for i in range(len(cycles))]
