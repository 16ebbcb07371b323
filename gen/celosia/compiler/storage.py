# SPDX-License-Identifier: BSD-2-Clause
"""Storages: stretches of the scratchpad with a lifetime, and the tensors in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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
class Grid:
    """``height * width`` pixels of ``channels`` bytes from ``address`` on, strides in bytes."""

    address: Address
    height: int
    width: int
    channels: int
    stride_h: int
    stride_w: int

    def part(self, h: int, w: int, height: int, width: int) -> Grid:
        """The pixels from (h, w) on, which may lie in the border."""
        address = self.address + h * self.stride_h + w * self.stride_w
        return replace(self, address=address, height=height, width=width)

    def transposed(self) -> Grid:
        """Height and width swapped."""
        return replace(
            self,
            height=self.width,
            width=self.height,
            stride_h=self.stride_w,
            stride_w=self.stride_h,
        )


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

    @property
    def grid(self) -> Grid:
        x = self.layout
        return Grid(self.address, x.height, x.width, x.channels, x.stride_h, x.stride_w)


@dataclass
class Placement:
    """All storages, and where each tensor of a graph lies.

    ``aliases`` are results of a Reshape that are views of its input, ``temporaries`` compact
    copies on the way of a Reshape, by its result. ``constants`` are constant operands of
    additions, by the addition's result.
    """

    storages: list[Storage] = field(default_factory=list)
    places: dict[TensorId, Place] = field(default_factory=dict)
    aliases: set[TensorId] = field(default_factory=set)
    temporaries: dict[TensorId, Place] = field(default_factory=dict)
    constants: dict[TensorId, Place] = field(default_factory=dict)

    def add(self, name: str, size: int, first: int, last: int, align: int = 4) -> Storage:
        storage = Storage(len(self.storages), name, size, first, last, align)
        self.storages.append(storage)
        return storage
