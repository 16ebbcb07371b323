# SPDX-License-Identifier: BSD-2-Clause
"""A module around a block that says what is assumed of its surroundings and asserted of it."""

from __future__ import annotations

from collections.abc import Iterator

from amaranth.back import rtlil
from amaranth.hdl import (
    ClockDomain,
    Fragment,
    Instance,
    Module,
    ShapeLike,
    Signal,
    Value,
    ValueLike,
)
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from .memory import WatchedMemory


class Block:
    """A component within a harness, with its signals and its memories.

    ``block["queue.level"]`` is the signal ``level`` of its submodule ``queue``, for the helper
    invariants that induction needs; ``memories`` are in the order of elaboration.
    """

    def __init__(self, fragment: Fragment, memories: list[WatchedMemory]) -> None:
        self.fragment = fragment
        self.memories = memories

    def __getitem__(self, path: str) -> Signal:
        *folders, name = path.split(".")
        fragment = self.fragment
        for folder in folders:
            fragment = fragment.find_subfragment(folder)
        found = {
            id(signal): signal
            for clocked in (False, True)
            for signal in _driven(fragment, clocked=clocked)
            if signal.name == name
        }
        if len(found) > 1:
            # Inputs of submodules may be called alike.
            clocked_ones = _driven(fragment, clocked=True)
            found = {id(signal): signal for signal in clocked_ones if signal.name == name}
        if len(found) != 1:
            raise KeyError(f"{len(found)} signals are called {path!r}")
        return next(iter(found.values()))


def _driven(fragment: Fragment, *, clocked: bool) -> Iterator[Signal]:
    for domain, statements in fragment.statements.items():
        if clocked == (domain != "comb"):
            for statement in statements:
                yield from statement._lhs_signals()


class Harness:
    """Add assumptions and assertions to ``m``, with Amaranth's ``Assume``, ``Assert``, ``Cover``.

    There is one clock domain, ``sync``; it is never reset.
    """

    def __init__(self) -> None:
        self.m = Module()
        self._clock = ClockDomain("sync", reset_less=True)
        self.m.domains += self._clock
        self._free: list[Signal] = []
        self._memories: list[WatchedMemory] = []

    def free(self, shape: ShapeLike, name: str) -> Signal:
        """An input: any value in each cycle."""
        signal = Signal(shape, name=f"{name}_{len(self._free)}")
        self._free.append(signal)
        return signal

    def constant(self, shape: ShapeLike, name: str) -> Signal:
        """Any value, the same in all cycles."""
        signal = Signal(shape, name=name)
        self.m.submodules += Instance(
            "$anyconst", p_WIDTH=len(Value.cast(signal)), o_Y=Value.cast(signal)
        )
        return signal

    def past(self, value: ValueLike, *, init: int = 0, name: str = "past") -> Signal:
        """``value`` of the cycle before."""
        value = Value.cast(value)
        register = Signal(value.shape(), name=name, init=init)
        self.m.d.sync += register.eq(value)
        return register

    def delayed(self, value: ValueLike, cycles: int, *, name: str = "delayed") -> Value:
        """``value`` of some cycles before, 0 in the first ones."""
        delayed = Value.cast(value)
        for cycle in range(cycles):
            delayed = self.past(delayed, name=f"{name}{cycle}")
        return delayed

    def embed(self, component: wiring.Component, name: str = "dut") -> Block:
        """Adds a component with its memories replaced by ``WatchedMemory``."""
        before = len(self._memories)
        fragment = Fragment.get(component, self)
        self.m.submodules[name] = fragment
        return Block(fragment, self._memories[before:])

    def get_memory(self, memory: Memory) -> WatchedMemory:
        """What Amaranth asks its platform for, which a harness is here."""
        watched = WatchedMemory(self, memory)
        self._memories.append(watched)
        return watched

    def to_rtlil(self) -> str:
        """The text of the design ``top``."""
        text: str = rtlil.convert(self.m, name="top", ports=[self._clock.clk, *self._free])
        # To Amaranth a name from outside, to Yosys a cell of its own.
        return text.replace("cell \\$anyconst ", "cell $anyconst ")
