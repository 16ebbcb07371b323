# SPDX-License-Identifier: BSD-2-Clause
"""Fill: exactly the bytes of its lines hold the zero point, a word a cycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import connect, flipped

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.drain import Drain
from celosia_hw.gateware.store import Fill
from celosia_hw.isa import ADDRESS_BITS, COMPUTE, Opcode, encode
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench
from celosia_sim.rtl.memory_ports import WriteMemory

SIZE = 1 << ADDRESS_BITS


class FillAndDrain(Fill):
    """Fill with the loops of a Drain; the ports between them are of no use outside."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fill = fill = Fill(self.config)
        m.submodules.drain = drain = Drain(self.config)
        connect(m, flipped(self.o), fill.o)
        m.d.comb += [
            fill.instruction.eq(self.instruction),
            drain.instruction.eq(self.instruction),
            fill.start.eq(self.start),
            self.busy.eq(fill.busy),
            drain.start_lines.eq(fill.start_lines),
            drain.next_line.eq(fill.next_line),
            fill.line.eq(drain.line),
            fill.last_line.eq(drain.last_line),
        ]
        return m


def make(word_bytes: int) -> FillAndDrain:
    return FillAndDrain(
        AcceleratorConfig(
            output_channels=word_bytes, input_channels=2, chain_rows=2, scratch_bytes=SIZE
        )
    )


@pytest.mark.parametrize("word_bytes", [4, 8, 16])
def test_fill(run_block: Callable[..., None], word_bytes: int) -> None:
    run_block(make, word_bytes=word_bytes)


class Unit:
    """The block and a memory."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.content = bytearray(bench.numpy.bytes(SIZE))
        self.memory = WriteMemory(bench, "o", self.content)
        self.width: int = block_parameters()["word_bytes"]

    async def run(self, fields: dict[str, int]) -> None:
        bench = self.bench
        expected = bytearray(self.content)
        words = 0
        for line in range(fields["lines"]):
            start = (fields["out_base"] + line * fields["out_line"]) % SIZE
            for byte in range(start, start + fields["positions"]):
                expected[byte % SIZE] = fields["zero_point"] & 255
            words += (start + fields["positions"] - 1) // self.width - start // self.width + 1
        bench.set("instruction", int.from_bytes(encode(Opcode.FILL, fields), "little"))
        await bench.step()
        bench.set("start", 1)
        first = len(self.memory.values)
        await bench.step()
        bench.set("start", 0)
        assert bench.get("busy")
        await bench.run(lambda: not bench.get("busy"), limit=200_000)
        assert self.content == expected
        assert len(self.memory.values) == first + words
        cycles = self.memory.cycles[first:]
        assert cycles == list(range(cycles[0], cycles[0] + words))


@cocotb.test()
async def random_fills(dut: Any) -> None:
    bench = await start_bench(dut, make, "random fills")
    unit = Unit(bench)
    rng = bench.rng
    for _ in range(60):
        fields = {
            "out_base": rng.choice((rng.randrange(SIZE), SIZE - rng.randint(1, 40))),
            "out_line": rng.choice((rng.randrange(SIZE), rng.randint(0, 64))),
            "lines": rng.randint(1, 6),
            "positions": rng.choice((1, 2, rng.randint(1, 40))),
            "zero_point": rng.choice((-128, 127, rng.randint(-128, 127))),
        }
        await unit.run(fields)


@cocotb.test()
async def one_word_a_cycle(dut: Any) -> None:
    bench = await start_bench(dut, make, "throughput")
    unit = Unit(bench)
    fields = {"out_base": 1001, "out_line": 5000, "lines": 4, "positions": 77, "zero_point": -3}
    await unit.run(fields)
    most = {name: COMPUTE[name].limit for name in ("lines", "positions")}
    await unit.run(fields | {"positions": most["positions"]})
    await unit.run(fields | {"lines": most["lines"], "positions": 1, "out_line": 33})
