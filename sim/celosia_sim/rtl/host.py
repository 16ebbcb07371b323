# SPDX-License-Identifier: BSD-2-Clause
"""Drives an accelerator's ports from cocotb.

Inputs change and outputs are sampled away from the rising clock edge, so that results do not
depend on a simulator's order of events.
"""

from __future__ import annotations

from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, Timer

from celosia_hw.isa import EXTERNAL_ADDRESS_BITS, Control, Register, Space, Status

PERIOD_NS = 10
#: The accelerator's inputs but clock and reset. One that nothing drives is unknown in Icarus.
INPUTS = (
    "control__valid",
    "control__write",
    "control__address",
    "control__write_data",
    "external__request__ready",
    "external__units__valid",
    "external__units__payload",
    "boot",
)


async def idle_cycles(dut: Any, cycles: int) -> None:
    """Waits from one falling clock edge to the one ``cycles`` (at least 1) later."""
    await Timer(cycles * PERIOD_NS - PERIOD_NS // 2, "ns")
    await FallingEdge(dut.clk)


class Host:
    """Registers and memories of an accelerator, as a host sees them through its control port."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.clocked = False

    async def reset(self) -> None:
        """Resets the design; the first time starts its clock."""
        dut = self.dut
        for name in INPUTS:
            getattr(dut, name).value = 0
        dut.rst.value = 1
        if not self.clocked:
            Clock(dut.clk, PERIOD_NS, "ns").start()
            self.clocked = True
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        await FallingEdge(dut.clk)

    async def _access(self, register: Register, write: bool, value: int = 0) -> int:
        dut = self.dut
        dut.control__valid.value = 1
        dut.control__write.value = int(write)
        dut.control__address.value = int(register)
        dut.control__write_data.value = value
        ready = False
        result = 0
        while not ready:
            await ReadOnly()
            ready = bool(int(dut.control__ready.value))
            if ready and not write:
                result = int(dut.control__read_data.value)
            await FallingEdge(dut.clk)
        dut.control__valid.value = 0
        return result

    async def write(self, register: Register, value: int) -> None:
        await self._access(register, True, value)

    async def read(self, register: Register) -> int:
        return await self._access(register, False)

    async def write_memory(self, space: Space, address: int, content: bytes) -> None:
        """Writes bytes from a byte address on."""
        if space == Space.SCRATCH:
            # Units that are written in part keep their other bytes.
            if before := address % 4:
                content = await self.read_memory(address - before, before) + content
                address -= before
            if after := -len(content) % 4:
                content += await self.read_memory(address + len(content), after)
        await self._write_units(space, address, content + bytes(-len(content) % 4))

    async def _write_units(self, space: Space, address: int, content: bytes) -> None:
        await self.write(Register.ADDRESS, space << 28 | address)
        dut = self.dut
        words = memoryview(content).cast("I")
        if space != Space.SCRATCH:
            # The first one waits until the row is set; the others are taken in each cycle.
            await self.write(Register.DATA, words[0])
            words = words[1:]
        # The scratchpad takes a unit in each second cycle while nothing runs.
        cycles = 2 if space == Space.SCRATCH else 1
        dut.control__valid.value = 1
        dut.control__write.value = 1
        dut.control__address.value = int(Register.DATA)
        data = dut.control__write_data
        for word in words:
            data.value = word
            for _ in range(cycles):
                await FallingEdge(dut.clk)
        dut.control__valid.value = 0

    async def read_memory(self, address: int, length: int) -> bytes:
        """``length`` bytes of the scratchpad from ``address`` on."""
        start = address & ~3
        end = address + length
        await self.write(Register.ADDRESS, Space.SCRATCH << 28 | start)
        content = bytearray()
        for _ in range(start, end, 4):
            content += (await self.read(Register.DATA)).to_bytes(4, "little")
        return bytes(content[address - start : address - start + length])

    async def wait(self, poll_cycles: int = 500, progress: Any = None) -> int:
        """Waits until nothing runs and returns STATUS."""
        interval = poll_cycles
        while True:
            await idle_cycles(self.dut, interval)
            status = await self.read(Register.STATUS)
            if progress is not None:
                progress(status >> Status.INSTRUCTION, await self.read(Register.CYCLES))
            if not status >> Status.BUSY & 1:
                return status
            interval = min(2 * interval, 20_000)

    async def start(self, address: int, *, watchdog: int = 0, breakpoint_at: int = 0) -> None:
        await self.write(Register.START, address)
        await self.write(Register.WATCHDOG, watchdog)
        await self.write(Register.BREAKPOINT, breakpoint_at)
        await self.write(Register.CONTROL, 1 << Control.START)

    async def resume(self, *, breakpoint_at: int = 0) -> None:
        await self.write(Register.BREAKPOINT, breakpoint_at)
        await self.write(Register.CONTROL, 1 << Control.CONTINUE)


class ExternalMemory:
    """Answers requests at the external port at ``rate`` bytes a cycle, at most 4, after
    ``latency`` cycles."""

    def __init__(self, dut: Any, content: bytes, *, rate: float, latency: int = 20) -> None:
        self.dut = dut
        self.content = content + bytes(-len(content) % 4)
        self.rate = rate
        self.latency = latency

    async def run(self) -> None:
        dut = self.dut
        while True:
            dut.external__request__ready.value = 1
            while True:
                await ReadOnly()
                valid = bool(int(dut.external__request__valid.value))
                request = int(dut.external__request__payload.value) if valid else 0
                await FallingEdge(dut.clk)
                if valid:
                    break
                # Requests are rare: looking every few cycles is part of the latency.
                dut.external__request__ready.value = 0
                await idle_cycles(dut, 8)
                dut.external__request__ready.value = 1
            dut.external__request__ready.value = 0
            address = request & ((1 << EXTERNAL_ADDRESS_BITS) - 1)
            units = request >> EXTERNAL_ADDRESS_BITS
            await idle_cycles(dut, self.latency)
            await self._send(memoryview(self.content[address : address + 4 * units]).cast("I"))

    async def _send(self, units: memoryview) -> None:
        dut = self.dut
        cycles_each = max(4 / self.rate, 1.0)
        due = 0.0
        now = 0
        for unit in units:
            due += cycles_each
            if (idle := int(due) - now - 1) > 0:
                await idle_cycles(dut, idle)
                now += idle
            dut.external__units__payload.value = unit
            dut.external__units__valid.value = 1
            taken = False
            while not taken:
                await ReadOnly()
                taken = bool(int(dut.external__units__ready.value))
                await FallingEdge(dut.clk)
                now += 1
            dut.external__units__valid.value = 0
            # Time in which the accelerator had no room is lost.
            due = max(due, now)
