# SPDX-License-Identifier: BSD-2-Clause
"""MacArray: matrix, chain and maximum against numpy, up to the limits of the accumulators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import cocotb
import numpy as np
import numpy.typing as npt
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.array import COPIES, SPARE, MacArray
from celosia_hw.gateware.products import Products
from celosia_hw.isa import Opcode
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, never
from celosia_sim.rtl.streams import StreamSink, StreamSource

Int64Array: TypeAlias = npt.NDArray[np.int64]


def make(config: dict[str, Any]) -> MacArray:
    return MacArray(AcceleratorConfig.from_dict(config))


@pytest.mark.parametrize(
    ("rows", "lanes", "chain_rows", "accumulator_bits", "chain_bits", "multipliers"),
    [
        (2, 2, 2, 20, 18, "fabric"),
        (4, 4, 4, 26, 22, "mac16"),
        (2, 8, 2, 24, 24, "mult18"),
        (8, 2, 3, 32, 22, "mult18_pair"),
        (8, 16, 4, 26, 22, "mult18_pair"),
        pytest.param(16, 16, 16, 26, 24, "mac16", marks=pytest.mark.long),
    ],
)
def test_array(
    run_block: Callable[..., None],
    rows: int,
    lanes: int,
    chain_rows: int,
    accumulator_bits: int,
    chain_bits: int,
    multipliers: str,
) -> None:
    config = {
        "output_channels": rows,
        "input_channels": lanes,
        "chain_rows": chain_rows,
        "accumulator_bits": accumulator_bits,
        "chain_bits": chain_bits,
        "multipliers": multipliers,
    }
    run_block(make, config=config)


def reference(
    opcode: Opcode, x: Int64Array, w: Int64Array, chain_rows: int, skip: int
) -> Int64Array:
    """What the array emits, (emissions, values).

    Args:
        x: activations, (lines, positions, taps, lanes).
        w: weights, (lines, positions, taps, rows, lanes).
    """
    lines, positions, _, lanes = x.shape
    if opcode == Opcode.CONV:
        return np.asarray(np.einsum("ypkl,ypkrl->ypr", x, w).reshape(lines * positions, -1))
    if opcode == Opcode.MAX:
        return np.asarray(x.max(axis=2).reshape(-1, lanes))
    emitted = []
    for line in range(lines):
        chain = np.zeros((chain_rows, lanes), np.int64)
        for position in range(positions):
            before = np.concatenate([np.zeros((1, lanes), np.int64), chain[:-1]])
            products = w[line, position, :, :chain_rows] * x[line, position, :, np.newaxis]
            chain = before + products.sum(axis=0)
            if position >= skip:
                emitted.append(chain[-1])
    return np.array(emitted)


class BusyCheck:
    """``busy`` is high while a result that was not taken is due."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        unit.bench.agents.insert(0, self)

    def drive(self) -> None:
        pass

    def sample(self) -> None:
        if self.unit.due() > len(self.unit.sink.values):
            assert self.unit.bench.get("busy")


class RoomCheck:
    """Where there is room, as many taps are taken without a pause as may be on their way."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.granted = 0
        unit.bench.agents.append(self)

    def drive(self) -> None:
        pass

    def sample(self) -> None:
        bench = self.unit.bench
        if self.granted:
            assert bench.bits("i__ready")
            self.granted -= bench.bits("i__valid")
        if bench.bits("room"):
            # What the source sends from now on counts a cycle later.
            self.granted = SPARE - 1


class Unit:
    """The block between a source of taps with their weights and a sink."""

    def __init__(self, bench: Bench, *, stalls: bool) -> None:
        self.bench = bench
        self.config = AcceleratorConfig.from_dict(block_parameters()["config"])
        stall = bench.stalls if stalls else lambda: never
        self.source = StreamSource(bench, "i", stall())
        self.sink = StreamSink(bench, "o", stall())
        self.before = 0, 0  # taps and results of earlier layers
        self.emits: list[int] = []  # for each tap of this one whether it brings a result
        BusyCheck(self)
        if self.config.free_running:
            RoomCheck(self)

    def due(self) -> int:
        """Number of results whose taps have been taken."""
        taps, results = self.before
        return results + sum(self.emits[: len(self.source.cycles) - taps])

    def products(self, opcode: Opcode) -> int:
        """Products of the largest size that an accumulator can hold for sure."""
        chain = opcode == Opcode.CHAIN
        bits = self.config.chain_bits if chain else self.config.accumulator_bits
        return ((1 << bits - 1) - 1) // (128 * 128)

    async def run(self, opcode: Opcode, x: Int64Array, w: Int64Array, skip: int = 0) -> None:
        """Feeds all taps and compares all results; arguments as for ``reference``."""
        bench = self.bench
        lines, positions, taps, _ = x.shape
        values = []
        weights = []
        emits = []
        for line, position, k in np.ndindex(lines, positions, taps):
            emit = opcode != Opcode.CHAIN or position >= skip
            tag = {
                "first": int(k == 0),
                "last": int(k == taps - 1),
                "line_start": int(position == 0),
                "emit": int(emit),
                # Means nothing to the array.
                "advance": bench.rng.randrange(2),
                "free": bench.rng.randrange(2),
            }
            values.append({"tag": tag, "data": as_bits(x[line, position, k])})
            weights.append(as_bits(w[line, position, k]))
            emits.append(int(emit and k == taps - 1))
        expected = reference(opcode, x, w, self.config.chain_rows, skip)
        bench.set("opcode", opcode)
        await bench.step(1 + COPIES if self.config.free_running else 1)
        start = len(self.sink.values)
        self.before = len(self.source.cycles), start
        self.emits = emits
        self.source.send(values, beside={"weights": weights})
        await bench.run(
            lambda: self.source.done and len(self.sink.values) == start + len(expected),
            limit=100 * len(values) + 1000,
        )
        await bench.run(lambda: not bench.get("busy"), limit=100)
        count = expected.shape[1]
        got = np.array([value[:count] for value in self.sink.values[start:]])
        np.testing.assert_array_equal(got, expected)


def as_bits(values: Int64Array) -> int:
    """int8 values as bytes of a word, the first lowest."""
    return int.from_bytes(values.astype(np.int8).tobytes(), "little")


def operands(
    rng: np.random.Generator, shape: tuple[int, ...], config: AcceleratorConfig
) -> tuple[Int64Array, Int64Array]:
    """Activations and weights: of the whole range, small, of the extremes only, or mixed."""

    def draw(shape: tuple[int, ...], least: int) -> Int64Array:
        kind = rng.integers(4)
        values = rng.integers(least, 128, shape)
        if kind == 1:
            values = rng.integers(-3, 4, shape)
        elif kind == 2:
            values = rng.choice([least, 127], shape)
        elif kind == 3:
            values = np.where(rng.random(shape) < 0.3, rng.choice([least, 127, 0], shape), values)
        return np.asarray(values, np.int64)

    weights = (*shape[:3], config.output_channels, shape[3])
    return draw(shape, -128), draw(weights, config.least_weight)


@cocotb.test()
async def random_layers(dut: Any) -> None:
    bench = await start_bench(dut, make, "random layers")
    unit = Unit(bench, stalls=True)
    config = unit.config
    for _ in range(30):
        opcode = bench.rng.choice((Opcode.CONV, Opcode.CHAIN, Opcode.MAX))
        terms = {Opcode.CONV: config.input_channels, Opcode.CHAIN: config.chain_rows}.get(opcode, 1)
        taps = bench.rng.randint(1, min(unit.products(opcode) // terms, 6))
        positions = bench.rng.choice((1, 2, bench.rng.randint(1, 2 * config.chain_rows)))
        shape = (bench.rng.randint(1, 3), positions, taps, config.input_channels)
        skip = bench.rng.randrange(positions)
        await unit.run(opcode, *operands(bench.numpy, shape, config), skip)


@cocotb.test()
async def limits_of_the_accumulators(dut: Any) -> None:
    bench = await start_bench(dut, make, "limits")
    unit = Unit(bench, stalls=False)
    config = unit.config
    lanes, rows = config.input_channels, config.output_channels
    for opcode, terms, positions in (
        (Opcode.CONV, lanes, 1),
        (Opcode.CHAIN, config.chain_rows, config.chain_rows + 1),
    ):
        taps = min(unit.products(opcode) // terms, 4000)
        shape = (1, positions, taps, lanes)
        least = config.least_weight
        for a, b in ((-128, least), (-128, 127), (127, 127), (127, least)):
            x = np.full(shape, a, np.int64)
            w = np.full((*shape[:3], rows, lanes), b, np.int64)
            await unit.run(opcode, x, w)
    for value in (-128, 127):
        x = np.full((1, 2, 3, lanes), value, np.int64)
        await unit.run(Opcode.MAX, x, np.zeros((1, 2, 3, rows, lanes), np.int64))


@cocotb.test()
async def latency_and_throughput(dut: Any) -> None:
    bench = await start_bench(dut, make, "latency")
    unit = Unit(bench, stalls=False)
    config = unit.config
    levels = config.input_channels.bit_length() - 1
    chain = Products(config).latency + 1
    latencies = {Opcode.CONV: chain + (levels + 1) // 2, Opcode.CHAIN: chain, Opcode.MAX: chain}
    queue = int(config.free_running)
    for opcode, latency in latencies.items():
        for taps in (1, 2):
            first, results = len(unit.source.cycles), len(unit.sink.cycles)
            shape = (2, 5, taps, config.input_channels)
            await unit.run(opcode, *operands(bench.numpy, shape, config))
            taken = unit.source.cycles[first:]
            assert taken == list(range(taken[0], taken[0] + 10 * taps))
            assert unit.sink.cycles[results:] == [
                c + latency + queue for c in taken[taps - 1 :: taps]
            ]
