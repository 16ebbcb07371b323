# SPDX-License-Identifier: BSD-2-Clause
"""RequantizeLane: both passes against the formulas, for all shifts, with halves and saturation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.drain import operands_latency
from celosia_hw.gateware.requantize import RequantizeLane, latency
from celosia_hw.isa import Opcode, encode
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench
from celosia_sim.rtl.requantization import (
    random_case,
    random_clamps,
    random_second_pass,
    random_tables,
    second_pass,
)


def make(**changes: Any) -> RequantizeLane:
    return RequantizeLane(AcceleratorConfig(chain_bits=18, **changes))


@pytest.mark.parametrize(
    ("accumulator_bits", "multiplier_bits"), [(26, 24), (20, 16), (32, 32), (24, 29)]
)
@pytest.mark.parametrize("multipliers", ["mac16", "mult18"])
def test_requantize_lane(
    run_block: Callable[..., None], accumulator_bits: int, multiplier_bits: int, multipliers: str
) -> None:
    run_block(
        make,
        accumulator_bits=accumulator_bits,
        multiplier_bits=multiplier_bits,
        multipliers=multipliers,
    )


class Lane:
    """Keeps to the lane's calendar, counted in enabled cycles; compares what it shows in each."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.stall = bench.stalls()
        self.inputs: list[dict[str, Any]] = []
        self.expected: list[int | None] = []
        self.turn = 0
        self.compared = 0
        bench.agents.append(self)

    def at(self, turn: int) -> dict[str, Any]:
        """The inputs of that enabled cycle."""
        while len(self.inputs) <= turn:
            self.inputs.append({})
        return self.inputs[turn]

    def expect(self, turn: int, result: int) -> None:
        while len(self.expected) <= turn:
            self.expected.append(None)
        self.expected[turn] = result

    def drive(self) -> None:
        bench = self.bench
        self.enabled = not self.stall()
        bench.set("enable", int(self.enabled))
        bench.set("second", 0)
        for name, value in self.at(self.turn).items():
            bench.set(name, value)

    def sample(self) -> None:
        if self.turn < len(self.expected):
            result = self.expected[self.turn]
            if result is not None:
                assert self.bench.get("result") == result, f"turn {self.turn}"
                self.compared += 1
        self.turn += self.enabled

    def reset(self) -> None:
        self.inputs, self.expected, self.turn, self.compared = [], [], 0, 0


def set_instruction(bench: Bench, fields: dict[str, int]) -> None:
    bench.set("instruction", int.from_bytes(encode(Opcode.CONV, fields), "little"))


@cocotb.test()
async def first_passes(dut: Any) -> None:
    """A new value in each cycle."""
    bench = await start_bench(dut, make, "first passes")
    lane = Lane(bench)
    config = AcceleratorConfig(chain_bits=18, **block_parameters())
    cycles, late = latency(config), operands_latency(config)
    for _ in range(12):
        lane.reset()
        fields = random_clamps(bench.rng)
        set_instruction(bench, fields)
        for turn in range(500):
            accumulator, entry = random_case(bench.rng, config)
            lane.at(turn + late)["value"] = accumulator
            lane.at(turn + cycles.parameters)["parameters"] = vars(entry)
            lane.expect(turn + cycles.first_pass, entry.first_pass(accumulator, fields, config))
        await bench.run(lambda: lane.turn == len(lane.expected), limit=10_000)
        assert lane.compared >= 500


@cocotb.test()
async def second_passes(dut: Any) -> None:
    """A new value in every other cycle; between them the values of before come again."""
    bench = await start_bench(dut, make, "second passes")
    lane = Lane(bench)
    config = AcceleratorConfig(chain_bits=18, **block_parameters())
    cycles, late = latency(config), operands_latency(config)
    for _ in range(12):
        tables = random_tables(bench.rng)
        bench.agents.clear()
        bench.set("enable", 1)
        for row, number in enumerate(tables[0] + tables[1]):
            bench.set("table_enable", 1)
            bench.set("table_row", row)
            bench.set("table_data", number & 0xFFFFFFFF)
            await bench.step()
        bench.set("table_enable", 0)
        await bench.step()
        bench.agents.append(lane)
        lane.reset()
        fields = random_clamps(bench.rng) | random_second_pass(bench.rng, tables)
        set_instruction(bench, fields)
        for turn in range(0, 500, 2):
            accumulator, entry = random_case(bench.rng, config)
            residual = bench.rng.choice((-128, 127, bench.rng.randint(-128, 127)))
            lane.at(turn + late)["value"] = accumulator
            lane.at(turn + cycles.parameters)["parameters"] = vars(entry)
            lane.at(turn + cycles.first_pass)["residual"] = residual & 255
            lane.at(turn + cycles.first_pass + cycles.table_sum)["second"] = 1
            first = entry.first_pass(accumulator, fields, config)
            lane.expect(turn + cycles.first_pass, first)
            result = second_pass(first, residual, tables, fields)
            lane.expect(turn + cycles.second_pass, result)
        await bench.run(lambda: lane.turn == len(lane.expected), limit=10_000)
        assert lane.compared >= 500
