# SPDX-License-Identifier: BSD-2-Clause
"""The initiator of a Wishbone bus, driven from cocotb."""

from __future__ import annotations

from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from celosia_hw.isa import Register, Space

from .host import PERIOD_NS, Host


class WishboneHost(Host):
    """Registers and memories of an accelerator behind ``WishboneLink``: one bus cycle each."""

    async def reset(self) -> None:
        """Starts the clock and resets the design."""
        dut = self.dut
        for name in ("cyc", "stb", "we", "adr", "dat_w"):
            self._bus(name).value = 0
        self._bus("sel").value = 15
        for name in ("request__ready", "units__valid", "units__payload"):
            getattr(dut, f"external__{name}").value = 0
        dut.rst.value = 1
        Clock(dut.clk, PERIOD_NS, "ns").start()
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        await FallingEdge(dut.clk)

    def _bus(self, name: str) -> Any:
        return getattr(self.dut, f"bus__{name}")

    async def _access(self, register: Register, write: bool, value: int = 0) -> int:
        self._bus("adr").value = int(register)
        self._bus("we").value = int(write)
        self._bus("dat_w").value = value
        self._bus("cyc").value = self._bus("stb").value = 1
        await FallingEdge(self.dut.clk)
        while not int(self._bus("ack").value):
            assert not int(self._bus("err").value)
            await FallingEdge(self.dut.clk)
        self._bus("cyc").value = self._bus("stb").value = 0
        result = int(self._bus("dat_r").value)
        await FallingEdge(self.dut.clk)
        return result

    async def _write_units(self, space: Space, address: int, content: bytes) -> None:
        await self.write(Register.ADDRESS, space << 28 | address)
        for word in memoryview(content).cast("I"):
            await self.write(Register.DATA, word)
