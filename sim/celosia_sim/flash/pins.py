# SPDX-License-Identifier: BSD-2-Clause
"""Connects the model of a memory to the pins of ``celosia_hw.flash``, cycle by cycle.

The design has no pins in a simulation: its ports are a ``FlashSignature``, and the registers that
the pins have are here. So the design needs no clock edges but its own.
"""

from __future__ import annotations

from typing import Any

from cocotb.triggers import FallingEdge
from cocotb.utils import get_sim_time

from ..rtl.cycles import Bench
from ..rtl.host import PERIOD_NS
from .chip import W25Q128JV


class FlashPins:
    """The pins, in cycles of ``period_ns``.

    ``cycle`` takes what the design drives in a cycle and returns what it reads in the next one. An
    ``extra`` latency is that of longer ways to or from the memory.
    """

    def __init__(
        self, chip: W25Q128JV, *, period_ns: float, divider: int = 1, extra: int = 0
    ) -> None:
        self.chip = chip
        self.period_ns = period_ns
        #: When the serial clock rises, within a cycle.
        self._rises = period_ns / 2 if divider == 1 else 0.0
        self._time = 0.0
        self._high = False
        self._captured = [0xF] * (extra + 1)
        #: Pulses of the serial clock.
        self.clocks = 0
        self._quiet = 0

    @property
    def idle(self) -> bool:
        """Whether nothing will change while the design deselects the memory."""
        return self._quiet > len(self._captured) + 1

    def pause(self, cycles: int) -> None:
        """Time in which the memory was deselected."""
        self._time += cycles * self.period_ns

    def cycle(self, cs_n: int, clock: int, output: int, driven: int) -> int:
        """The lines as the design's input registers show them in the next cycle."""
        chip = self.chip
        time = self._time = self._time + self.period_ns
        if self._high:
            chip.fall(time)
        if cs_n == chip.selected:
            if cs_n:
                chip.deselect(time)
            else:
                chip.select(time)
        self._quiet = 0 if chip.selected or clock else self._quiet + 1
        self._high = bool(clock)
        if clock:
            self.clocks += 1
            chip.rise(time + self._rises, output, driven)
        # Lines that nobody drives are high, from resistors.
        theirs = chip.outputs
        level = (chip.output & theirs) | (output & driven & ~theirs) | (~theirs & ~driven & 0xF)
        captured = self._captured
        captured.append(level)
        return captured.pop(0)


class FlashAgent:
    """The pins ``name`` of a block on a bench."""

    def __init__(self, bench: Bench, name: str, pins: FlashPins) -> None:
        self.bench = bench
        self.name = name
        self.pins = pins
        self._input = 0xF
        bench.agents.append(self)

    def drive(self) -> None:
        self.bench.set_bits(f"{self.name}__dq__i", self._input)

    def sample(self) -> None:
        bits, name = self.bench.bits, self.name
        self._input = self.pins.cycle(
            bits(f"{name}__cs_n"),
            bits(f"{name}__clock"),
            bits(f"{name}__dq__o"),
            bits(f"{name}__dq__oe"),
        )


async def connect_flash(dut: Any, name: str, pins: FlashPins) -> None:
    """Serves the ports ``name`` of a design for ever, with work only while it selects the memory.

    The design's outputs are taken, and its inputs set, at the falling edge of its clock ``clk``,
    where no output of a ``FlashReader`` changes.
    """
    cs_n = getattr(dut, f"{name}__cs_n")
    clock = getattr(dut, f"{name}__clock")
    output = getattr(dut, f"{name}__dq__o")
    driven = getattr(dut, f"{name}__dq__oe")
    lines = getattr(dut, f"{name}__dq__i")
    edge = FallingEdge(dut.clk)
    before = level = 0xF
    lines.value = level
    while True:
        if pins.idle and int(cs_n.value):
            began = get_sim_time("ns")
            await FallingEdge(cs_n)
            await edge
            pins.pause(round((get_sim_time("ns") - began) / PERIOD_NS) - 1)
        else:
            await edge
        # What the registers took a cycle ago.
        if level != before:
            lines.value = before = level
        level = pins.cycle(int(cs_n.value), int(clock.value), int(output.value), int(driven.value))
