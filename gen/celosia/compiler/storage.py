# SPDX-License-Identifier: BSD-2-Clause
"""Storages: stretches of the scratchpad with a lifetime, and the tensors in them."""

from __future__ import annotations

from dataclasses import dataclass, field

from celosia.compiler.layout import Layout
from celosia.compiler.step import Address
from celosia.graph.ir import TensorId


@dataclass
class Storage:
    """``size`` bytes that are needed from operation ``first`` to operation ``last``, inclusive.

    Operations are counted in the order of the graph's list; -1 stands for the host before a run.
    The base address is ``phase`` modulo ``align``. ``contents`` are the bytes of a constant,
    which lives during every run.
    """

    number: int
    name: str
    size: int
    first: int
    last: int
    align: int = 4
    phase: int = 0
    contents: bytes | None = None


@dataclass(frozen=True)
class Place:
    """A tensor in a storage: element (0, 0, 0) is byte ``offset`` of it."""

    storage: int
    offset: int
    layout: Layout
    #: What the border holds; None where the tensor has no border of its own.
    border_value: int | None = None

    @property
    def address(self) -> Address:
        return Address(self.storage, self.offset)

    def at(self, h: int, w: int, c: int = 0) -> Address:
        return self.address + self.layout.offset(h, w, c)


@dataclass
class Placement:
    """All storages, and where each tensor of a graph lies."""

    storages: list[Storage] = field(default_factory=list)
    places: dict[TensorId, Place] = field(default_factory=dict)

    def add(self, name: str, size: int, first: int, last: int, align: int = 4) -> Storage:
        storage = Storage(len(self.storages), name, size, first, last, align)
        self.storages.append(storage)
        return storage
