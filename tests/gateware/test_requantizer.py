# SPDX-License-Identifier: BSD-2-Clause
"""Requantizer: beats of all lanes, once or twice through the arithmetic, under back-pressure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.drain import operands_latency
from celosia_hw.gateware.requantize import Requantizer, latency, parameter_layout
from celosia_hw.isa import Opcode, encode
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, never
from celosia_sim.rtl.requantization import (
    Entry,
    random_case,
    random_clamps,
    random_second_pass,
    random_tables,
    second_pass,
)
from celosia_sim.rtl.streams import StreamSink, StreamSource
from celosia_sim.rtl.values import to_bits, width_of


def make(config: dict[str, Any]) -> Requantizer:
    return Requantizer(AcceleratorConfig.from_dict(config))


@pytest.mark.parametrize(
    ("lanes", "accumulator_bits", "multiplier_bits", "multipliers"),
    [(1, 26, 24, "mac16"), (2, 20, 32, "mult18"), (4, 32, 24, "mult18_pair")],
)
def test_requantizer(
    run_block: Callable[..., None],
    lanes: int,
    accumulator_bits: int,
    multiplier_bits: int,
    multipliers: str,
) -> None:
    config = {
        "requantize_lanes": lanes,
        "accumulator_bits": accumulator_bits,
        "chain_bits": 18,
        "multiplier_bits": multiplier_bits,
        "multipliers": multipliers,
    }
    run_block(make, config=config)


class ParameterMemory:
    """Shows a beat's row ``latency`` cycles after the beat was sent; if the block can stop, enabled
    cycles, and until the row of the next one."""

    def __init__(self, bench: Bench, source: StreamSource, config: AcceleratorConfig) -> None:
        self.bench, self.source, self.free_running = bench, source, config.free_running
        self.rows: list[int] = []
        self.read = [0] * latency(config).parameters  # beats sent, some cycles before
        self.shown = 0
        bench.agents.append(self)

    def drive(self) -> None:
        bench = self.bench
        if self.read[0] > self.shown:
            bench.set_bits("parameters", self.rows[self.read[0] - 1])
        elif self.free_running:
            bench.set_bits("parameters", bench.rng.getrandbits(bench.shapes["parameters"]))
        self.shown = self.read[0]

    def sample(self) -> None:
        if self.free_running or self.bench.bits("i__ready"):
            self.read = [*self.read[1:], len(self.source.cycles)]


class Operands:
    """Shows a beat's operands ``operands_latency`` cycles after the beat; noise in others."""

    def __init__(self, bench: Bench, source: StreamSource, config: AcceleratorConfig) -> None:
        self.bench, self.source = bench, source
        self.late = bool(operands_latency(config))
        self.values: list[dict[str, Any]] = []
        self.sent = 0  # beats that were taken before the cycle before
        bench.agents.append(self)

    def drive(self) -> None:
        bench, taken = self.bench, len(self.source.cycles)
        shows = taken > self.sent if self.late else self.source.offering
        if shows:
            bench.set("operands", self.values[self.sent if self.late else taken])
        else:
            bench.set_bits("operands", bench.rng.getrandbits(width_of(bench.shapes["operands"])))
        self.sent = taken

    def sample(self) -> None:
        pass


class Unit:
    """The block between beats that keep to their turns, and a sink."""

    def __init__(self, bench: Bench, *, stalls: bool) -> None:
        self.bench = bench
        self.config = AcceleratorConfig.from_dict(block_parameters()["config"])
        stall = bench.stalls if stalls else lambda: never
        self.second_pass = False
        self.turn = 0  # cycles in which the block moved
        self.source = StreamSource(bench, "i", stall(), gate=self._may_send)
        self.operands = Operands(bench, self.source, self.config)
        self.memory = ParameterMemory(bench, self.source, self.config)
        self.sink = StreamSink(bench, "o", stall())
        self.inside = 0
        bench.agents.append(self)

    def _may_send(self) -> bool:
        return not self.second_pass or self.config.free_running or self.turn % 2 == 0

    def drive(self) -> None:
        self.inside = len(self.source.cycles) - len(self.sink.values)

    def sample(self) -> None:
        self.turn += self.bench.bits("i__ready")
        assert self.bench.get("busy") == (self.inside > 0)

    async def load_tables(self, tables: tuple[list[int], list[int]]) -> None:
        bench = self.bench
        bench.set("table_enable", 1)
        for row, number in enumerate(tables[0] + tables[1]):
            bench.set("table_row", row)
            bench.set("table_data", number & 0xFFFFFFFF)
            await bench.step()
        bench.set("table_enable", 0)

    async def run(self, beats: int, *, second: bool, residual: bool = False) -> None:
        """Sends random beats under a random instruction and compares all results."""
        bench, rng, config = self.bench, self.bench.rng, self.config
        tables = random_tables(rng)
        if second:
            await self.load_tables(tables)
        fields = random_clamps(rng) | random_second_pass(rng, tables)
        fields |= {"second_pass": int(second), "residual": int(residual)}
        bench.set("instruction", int.from_bytes(encode(Opcode.CONV, fields), "little"))
        self.second_pass = second
        values, expected = [], []
        for _ in range(beats):
            count = rng.randint(1, config.requantize_lanes)
            cases = [random_case(rng, config) for _ in range(config.requantize_lanes)]
            operands = [rng.choice((-128, 127, rng.randint(-128, 127))) for _ in cases]
            address = rng.getrandbits(config.address_bits)
            fresh = rng.getrandbits(1)
            values.append({"address": address, "count": count, "fresh": fresh})
            self.operands.values.append(
                {
                    "values": [accumulator for accumulator, _ in cases],
                    "residual": [operand & 255 for operand in operands],
                }
            )
            self.memory.rows.append(self._row([entry for _, entry in cases]))
            results = []
            for (accumulator, entry), operand in zip(cases, operands, strict=True):
                y = entry.first_pass(accumulator, fields, config)
                results.append(second_pass(y, operand, tables, fields) if second else y)
            expected.append(
                {
                    "values": [y & 255 for y in results],
                    "address": address,
                    "count": count,
                    "fresh": fresh,
                }
            )
        start = len(self.sink.values)
        self.source.send(values)
        await bench.run(lambda: len(self.sink.values) == start + beats, limit=200 * beats + 2000)
        assert self.sink.values[start:] == expected
        assert not bench.get("busy")

    def _row(self, entries: list[Entry]) -> int:
        layout = parameter_layout(self.config)
        width = 32 * self.config.parameter_units
        return sum(to_bits(layout, vars(entry)) << width * i for i, entry in enumerate(entries))


@cocotb.test()
async def random_beats(dut: Any) -> None:
    bench = await start_bench(dut, make, "random beats")
    unit = Unit(bench, stalls=True)
    for second, residual in ((False, False), (True, True), (True, False), (True, True)):
        for beats in (150, 1, 8):
            await unit.run(beats, second=second, residual=residual)


@cocotb.test()
async def latency_and_throughput(dut: Any) -> None:
    bench = await start_bench(dut, make, "latency")
    unit = Unit(bench, stalls=False)
    cycles = latency(unit.config)
    queue = 2 if unit.config.free_running else 0
    for second, whole, each in ((False, cycles.first_pass, 1), (True, cycles.second_pass, 2)):
        start = len(unit.source.cycles)
        await unit.run(100, second=second)
        taken, left = unit.source.cycles[start:], unit.sink.cycles[start:]
        assert taken == [taken[0] + each * i for i in range(100)]
        assert left == [cycle + whole + queue for cycle in taken]
