# SPDX-License-Identifier: BSD-2-Clause
"""Runs one block clock cycle by clock cycle, with everything around it modelled in Python.

In each cycle all agents first drive the block's inputs, just behind the falling clock edge; when
the combinational logic has settled they sample its outputs, which are what the next rising edge
works on. So results do not depend on a simulator's order of events, and cycles are exact.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from amaranth.lib import wiring
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from .host import PERIOD_NS
from .values import from_bits, to_bits

#: Decides for a cycle whether a side of a stream holds back.
Stall = Callable[[], bool]


def never() -> bool:
    """A side of a stream that is always ready, or always has more."""
    return False


class RandomStalls:
    """Holds back at random: for some cycles never, then sometimes, half the time, or mostly."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._probability = 0.0
        self._cycles = 0

    def __call__(self) -> bool:
        if self._cycles == 0:
            self._cycles = self._rng.randint(4, 40)
            self._probability = self._rng.choice((0.0, 0.15, 0.5, 0.9))
        self._cycles -= 1
        return self._rng.random() < self._probability


class Agent(Protocol):
    """Something outside of the block."""

    def drive(self) -> None:
        """Sets inputs of the block for this cycle."""

    def sample(self) -> None:
        """Looks at the outputs of the block in this cycle."""


class Bench:
    """A block under test: its ports by name, its clock, and the agents around it.

    Ports are named as in the component's signature, joined by two underscores. ``cycle`` counts the
    cycles since the reset. ``rng`` and ``numpy`` are seeded by the name of the test alone.
    """

    def __init__(self, dut: Any, component: wiring.Component, *, seed: str) -> None:
        self.dut = dut
        self.cycle = 0
        self.agents: list[Agent] = []
        self.rng = random.Random(seed)
        self.numpy = np.random.default_rng(zlib.crc32(seed.encode()))
        self.shapes: dict[str, Any] = {}
        self._inputs: list[str] = []
        self._handles: dict[str, Any] = {}
        for path, member, _ in component.signature.flatten(component):
            name = "__".join(map(str, path))
            self.shapes[name] = member.shape
            if member.flow is wiring.In:
                self._inputs.append(name)

    async def reset(self) -> None:
        """Starts the clock and resets the block, with all inputs low."""
        self.dut.rst.value = 1
        for name in self._inputs:
            self.set_bits(name, 0)
        Clock(self.dut.clk, PERIOD_NS, "ns").start()
        for _ in range(3):
            await FallingEdge(self.dut.clk)
        self.dut.rst.value = 0

    def has(self, name: str) -> bool:
        """Whether the block's Verilog has this port: ports without bits vanish."""
        return hasattr(self.dut, name)

    def set_bits(self, name: str, bits: int) -> None:
        handle = self._handles.get(name)
        if handle is None:
            if name in self.shapes and not self.has(name):
                return
            handle = self._handles[name] = getattr(self.dut, name)
        handle.value = bits

    def bits(self, name: str) -> int:
        handle = self._handles.get(name)
        if handle is None:
            if name in self.shapes and not self.has(name):
                return 0
            handle = self._handles[name] = getattr(self.dut, name)
        return int(handle.value)

    def set(self, name: str, value: Any) -> None:
        """Drives a port with a value of its shape, as ``to_bits`` takes it."""
        self.set_bits(name, to_bits(self.shapes[name], value))

    def get(self, name: str) -> Any:
        """The value of a port, as ``from_bits`` gives it."""
        return from_bits(self.shapes[name], self.bits(name))

    def stalls(self) -> Stall:
        """Random stalls with a seed of their own."""
        return RandomStalls(random.Random(self.rng.random()))

    async def step(self, cycles: int = 1) -> None:
        """Goes on for some cycles, from one falling edge to another."""
        for _ in range(cycles):
            for agent in self.agents:
                agent.drive()
            await ReadOnly()
            for agent in self.agents:
                agent.sample()
            await FallingEdge(self.dut.clk)
            self.cycle += 1

    async def run(self, until: Callable[[], bool], *, limit: int) -> int:
        """Goes on until ``until()``; returns the number of cycles.

        Raises:
            AssertionError: it took more than ``limit`` cycles.
        """
        start = self.cycle
        while not until():
            assert self.cycle - start < limit, f"not finished after {limit} cycles"
            await self.step()
        return self.cycle - start
