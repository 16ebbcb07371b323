# SPDX-License-Identifier: BSD-2-Clause
"""ControlRegisters: every register, all memories behind DATA, commands, watchdog and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware.control import ControlRegisters
from celosia_hw.isa import IDENT_VALUE, Control, Error, Register, Space, Status
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench, never
from celosia_sim.rtl.memory_ports import WordMemory, WriteMemory
from celosia_sim.rtl.streams import StreamSink

SIZE = 1 << 12


def make(word_bytes: int, multipliers: str) -> ControlRegisters:
    return ControlRegisters(config_of(word_bytes, multipliers))


def config_of(word_bytes: int, multipliers: str) -> AcceleratorConfig:
    return AcceleratorConfig(
        output_channels=word_bytes, input_channels=2, chain_rows=2, multipliers=multipliers
    )


@pytest.mark.parametrize(
    ("word_bytes", "multipliers"), [(4, "mac16"), (4, "mult18"), (8, "mac16"), (16, "mult18")]
)
def test_control(run_block: Callable[..., None], word_bytes: int, multipliers: str) -> None:
    run_block(make, word_bytes=word_bytes, multipliers=multipliers)


class Unit:
    """The block between a host that accesses registers and the memories behind it."""

    def __init__(self, bench: Bench, *, latency: int = 1, stalls: bool = True) -> None:
        self.bench = bench
        stall = bench.stalls if stalls else lambda: never
        self.content = bytearray(bench.numpy.bytes(SIZE))
        self.memory = WordMemory(bench, "read", self.content, stall(), latency=latency)
        self.writes = WriteMemory(bench, "write", self.content)
        self.units = {
            Space.WEIGHTS: StreamSink(bench, "weights", stall()),
            Space.PARAMETERS: StreamSink(bench, "parameters", stall()),
        }
        self.word_bytes: int = block_parameters()["word_bytes"]
        self.access: tuple[int, int, int] | None = None
        self.result = 0
        # Rows set, of either memory, and units that had been written before.
        self.rows: list[tuple[int, int, int]] = []
        self.pulses: list[str] = []
        bench.agents.append(self)

    def drive(self) -> None:
        bench, rng = self.bench, self.bench.rng
        write, register, value = self.access or (
            rng.getrandbits(1),
            rng.getrandbits(4),
            rng.getrandbits(32),
        )
        bench.set("port__valid", int(self.access is not None))
        bench.set("port__write", write)
        bench.set("port__address", register)
        bench.set("port__write_data", value)

    def sample(self) -> None:
        bench = self.bench
        if bench.get("row_set"):
            assert not bench.get("weights__valid"), "a unit before its row is known"
            assert not bench.get("parameters__valid"), "a unit before its row is known"
            count = sum(len(sink.values) for sink in self.units.values())
            self.rows.append((bench.get("weight_row"), bench.get("parameter_row"), count))
        self.pulses += [name for name in ("start", "resume", "reset") if bench.get(name)]
        if self.access is not None and bench.get("port__ready"):
            self.result = bench.get("port__read_data")
            self.access = None

    async def write(self, register: int, value: int) -> int:
        """Number of cycles that it took."""
        self.access = (1, register, value)
        return await self.bench.run(lambda: self.access is None, limit=500)

    async def read(self, register: int) -> int:
        self.access = (0, register, self.bench.rng.getrandbits(32))
        await self.bench.run(lambda: self.access is None, limit=500)
        return self.result

    async def set_state(self, *, cycles: int = 1, **fields: int) -> None:
        """A state of the sequencer, which has counted at least a cycle when it is busy."""
        self.bench.set("state", fields)
        self.bench.set("cycles", cycles)
        await self.bench.step()

    async def error(self) -> int:
        error = await self.read(Register.STATUS) >> Status.ERROR & 15
        assert self.bench.get("failed") == (error != Error.NONE)
        return error


@cocotb.test()
async def registers(dut: Any) -> None:
    bench = await start_bench(dut, make, "registers")
    unit = Unit(bench)
    assert await unit.read(Register.IDENT) == IDENT_VALUE
    assert await unit.read(Register.CONFIG) == config_of(**block_parameters()).fingerprint
    address_mask = (1 << config_of(**block_parameters()).address_bits) - 1
    written = (Register.ADDRESS, Register.START, Register.WATCHDOG, Register.BREAKPOINT)
    for _ in range(5):
        # All are written before any is read, so that each of them has a place of its own.
        values = {register: bench.rng.getrandbits(32) for register in written}
        for register, value in values.items():
            assert await unit.write(register, value) == 1
        for register in written:
            assert await unit.read(register) == 0
        assert bench.get("address") == values[Register.START] & address_mask
        assert bench.get("breakpoint") == values[Register.BREAKPOINT] & 0xFFFF
    for unknown in set(range(16)) - set(Register):
        await unit.write(unknown, bench.rng.getrandbits(32))
        assert await unit.read(unknown) == 0
    assert unit.pulses == []
    assert not unit.writes.values


@cocotb.test()
async def status(dut: Any) -> None:
    bench = await start_bench(dut, make, "status")
    unit = Unit(bench)
    for _ in range(20):
        rng = bench.rng
        fields = {name: rng.getrandbits(1) for name in ("busy", "done", "paused")}
        fields |= {"error": rng.choice((0, 1, 2)), "index": rng.getrandbits(16)}
        cycles = rng.getrandbits(32)
        await unit.set_state(cycles=cycles, **fields)
        expected = fields["busy"] << Status.BUSY | fields["done"] << Status.DONE
        expected |= fields["paused"] << Status.PAUSED | fields["error"] << Status.ERROR
        expected |= fields["index"] << Status.INSTRUCTION
        assert await unit.read(Register.STATUS) == expected
        assert await unit.read(Register.CYCLES) == cycles


async def scratchpad(dut: Any, latency: int) -> None:
    bench = await start_bench(dut, make, f"scratchpad {latency}")
    unit = Unit(bench, latency=latency)
    mirror = bytearray(unit.content)
    for _ in range(30):
        address = 4 * bench.rng.randrange(SIZE // 4 - 20)
        await unit.write(Register.ADDRESS, Space.SCRATCH << 28 | address)
        for _ in range(bench.rng.randint(1, 20)):
            # Reads and writes share the address, and both advance it.
            if bench.rng.random() < 0.5:
                value = bench.rng.getrandbits(32)
                await unit.write(Register.DATA, value)
                mirror[address : address + 4] = value.to_bytes(4, "little")
            else:
                expected = int.from_bytes(mirror[address : address + 4], "little")
                assert await unit.read(Register.DATA) == expected
            address += 4
        assert unit.content == mirror
    assert await unit.error() == Error.NONE


@cocotb.test()
async def scratchpad_latency_1(dut: Any) -> None:
    await scratchpad(dut, 1)


@cocotb.test()
async def scratchpad_latency_2(dut: Any) -> None:
    await scratchpad(dut, 2)


@cocotb.test()
async def scratchpad_writes_take_two_cycles(dut: Any) -> None:
    bench = await start_bench(dut, make, "write time")
    unit = Unit(bench, stalls=False)
    await unit.write(Register.ADDRESS, 0)
    for value in range(20):
        assert await unit.write(Register.DATA, value) == 2


@cocotb.test()
async def weights_and_parameters(dut: Any) -> None:
    bench = await start_bench(dut, make, "weights")
    unit = Unit(bench)
    config = config_of(**block_parameters())
    sent: dict[Space, list[int]] = {Space.WEIGHTS: [], Space.PARAMETERS: []}
    rows = []
    for _ in range(20):
        space = bench.rng.choice(list(sent))
        size = {Space.WEIGHTS: config.weight_bytes, Space.PARAMETERS: config.parameter_bytes}
        address = bench.rng.randrange(0, size[space], 4)
        weight_row = address // config.weight_stride % config.weight_depth
        parameter_row = address // config.parameter_stride % config.parameter_depth
        rows.append((weight_row, parameter_row, sum(map(len, sent.values()))))
        await unit.write(Register.ADDRESS, space << 28 | address)
        for _ in range(bench.rng.randint(1, 12)):
            sent[space].append(bench.rng.getrandbits(32))
            await unit.write(Register.DATA, sent[space][-1])
        # These memories cannot be read; nothing happens.
        assert await unit.read(Register.DATA) == 0
    assert {space: unit.units[space].values for space in sent} == sent
    assert unit.rows == rows
    assert not unit.writes.values


@cocotb.test()
async def commands(dut: Any) -> None:
    bench = await start_bench(dut, make, "commands")
    unit = Unit(bench)
    names = {Control.START: "start", Control.CONTINUE: "resume", Control.RESET: "reset"}
    for bit, name in names.items():
        unit.pulses.clear()
        assert await unit.write(Register.CONTROL, 1 << bit) == 1
        await bench.step(3)
        assert unit.pulses == [name]
    assert await unit.error() == Error.NONE
    # A run cannot be started, and memories cannot be used, while another one is busy.
    await unit.set_state(busy=1, index=3)
    unit.pulses.clear()
    for bit in (Control.START, Control.CONTINUE):
        await unit.write(Register.CONTROL, 1 << bit)
        assert unit.pulses == []
        assert await unit.error() == Error.ACCESS
        await unit.write(Register.CONTROL, 1 << Control.RESET)
        assert unit.pulses == ["reset"]
        unit.pulses.clear()
        assert await unit.error() == Error.NONE
    # The next start clears the error.
    await unit.write(Register.CONTROL, 1 << Control.START)
    await unit.set_state(busy=0)
    assert await unit.error() == Error.ACCESS
    await unit.write(Register.CONTROL, 1 << Control.START)
    assert unit.pulses == ["start"]
    assert await unit.error() == Error.NONE


@cocotb.test()
async def memory_accesses_while_busy(dut: Any) -> None:
    """And those of weights and parameters while a run is paused: their rings go on filling."""
    bench = await start_bench(dut, make, "access")
    unit = Unit(bench)
    before = bytes(unit.content)
    refused = [("busy", space) for space in Space]
    refused += [("paused", space) for space in Space if space != Space.SCRATCH]
    for state, space in refused:
        for write in (False, True):
            await unit.write(Register.ADDRESS, space << 28 | 64)
            await unit.set_state(**{state: 1})
            if write:
                await unit.write(Register.DATA, bench.rng.getrandbits(32))
            else:
                assert await unit.read(Register.DATA) == 0
            assert await unit.error() == Error.ACCESS
            await unit.set_state(**{state: 0})
            await unit.write(Register.CONTROL, 1 << Control.RESET)
            assert await unit.error() == Error.NONE
    assert unit.content == before
    assert not unit.memory.values
    assert not any(units.values for units in unit.units.values())
    # The address has not advanced.
    await unit.write(Register.ADDRESS, Space.SCRATCH << 28 | 64)
    await unit.set_state(busy=1)
    await unit.write(Register.DATA, 1)
    await unit.set_state(busy=0)
    assert await unit.read(Register.DATA) == int.from_bytes(before[64:68], "little")
    assert not any(sink.values for sink in unit.units.values())


@cocotb.test()
async def watchdog(dut: Any) -> None:
    bench = await start_bench(dut, make, "watchdog")
    unit = Unit(bench)
    for limit, cycles, expires in (
        (100, 99, False),
        (100, 100, True),
        (0, 1 << 31, False),
        (0, 0, True),
    ):
        await unit.write(Register.WATCHDOG, limit)
        await unit.write(Register.CONTROL, 1 << Control.START)
        unit.pulses.clear()
        await unit.set_state(busy=1, index=7)
        bench.set("cycles", cycles)
        await bench.step(2)
        # What the reset does to the sequencer.
        if expires:
            await unit.set_state(index=7)
        else:
            await bench.step(5)
        assert unit.pulses == ["reset"] * expires
        assert await unit.error() == (Error.WATCHDOG if expires else Error.NONE)
        assert await unit.read(Register.STATUS) >> Status.INSTRUCTION == 7
        await unit.set_state()
    # The next start forgets it.
    await unit.write(Register.CONTROL, 1 << Control.START)
    assert await unit.read(Register.STATUS) == 0
