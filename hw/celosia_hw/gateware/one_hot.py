# SPDX-License-Identifier: BSD-2-Clause
"""State machines with a flip-flop for each state."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, ValueLike


class OneHot:
    """A state machine whose states, by name, are signals of which one is high.

    Where many signals depend on the state this takes less logic than states that are numbers. The
    first of ``names`` is the initial state. Of the conditions to leave a state, at most one may be
    high at a time.
    """

    def __init__(self, *names: str) -> None:
        self.states = {
            name: Signal(name=f"state_{name.lower()}", init=index == 0)
            for index, name in enumerate(names)
        }
        self._transitions: list[tuple[str, str, Value]] = []

    def __getitem__(self, name: str) -> Signal:
        return self.states[name]

    def any(self, *names: str) -> Value:
        """Whether one of these is the state."""
        return Cat(self.states[name] for name in names).any()

    def go(self, source: str, target: str, when: ValueLike = 1) -> None:
        """From ``source`` to ``target`` if ``when``."""
        self._transitions.append((source, target, Value.cast(when)))

    def build(self, m: Module) -> None:
        """Adds the machine to a module; each transition must have been named before."""
        for name, state in self.states.items():
            leaves = [when for source, _, when in self._transitions if source == name]
            enters = [
                self.states[source] & when
                for source, target, when in self._transitions
                if target == name
            ]
            stays = state & ~Cat(when.any() for when in leaves).any() if leaves else Const(0)
            m.d.sync += state.eq(Cat(*enters, stays).any())
