# SPDX-License-Identifier: BSD-2-Clause
"""Random traffic on the ports of a memory block, checked against a model of what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .cycles import Bench, RandomStalls
from .side_by_side import TWIN

#: Addresses that traffic keeps to, so that accesses meet.
_ADDRESSES = 24


@dataclass
class _Word:
    """A word as a port shows it, with ones in ``known`` for the bits that must be right."""

    bits: int = 0
    known: int = 0


class _Traffic:
    """What both kinds of memory have in common: few addresses, all of them filled first."""

    def __init__(self, bench: Bench, name: str, *, depth: int, granules: Sequence[int]) -> None:
        self.bench = bench
        self.name = name
        self.granules = granules
        self.width = sum(granules)
        interesting = {0, 1, depth - 1, *(1 << bit for bit in range((depth - 1).bit_length()))}
        drawn = bench.rng.sample(range(depth), min(depth, _ADDRESSES))
        self.addresses = [*interesting, *drawn][:_ADDRESSES]
        self.content = dict.fromkeys(self.addresses, 0)
        self.stall = RandomStalls(bench.rng)
        self.shown = _Word()
        self.compared = 0
        #: Addresses that hold nothing known yet.
        self.empty = list(self.content)

    def set(self, port: str, value: int) -> None:
        self.bench.set(f"{self.name}__{port}", value)

    def has(self, port: str) -> bool:
        return f"{self.name}__{port}" in self.bench.shapes

    def bits_of(self, granules: int) -> int:
        """Ones for all bits of the granules that have a one."""
        bits = place = 0
        for index, size in enumerate(self.granules):
            if granules >> index & 1:
                bits |= ((1 << size) - 1) << place
            place += size
        return bits

    def draw_write(self) -> tuple[int, int, int]:
        """Address, data and granules of a write: at first each address once, all granules."""
        rng = self.bench.rng
        everything = (1 << len(self.granules)) - 1
        if self.empty:
            return self.empty.pop(), rng.getrandbits(self.width), everything
        granules = rng.choice((0, everything, rng.getrandbits(len(self.granules))))
        return rng.choice(self.addresses), rng.getrandbits(self.width), granules

    def write(self, address: int, data: int, granules: int) -> None:
        bits = self.bits_of(granules)
        self.content[address] = self.content[address] & ~bits | data & bits

    def check(self) -> None:
        port = f"{self.name}__read_data"
        for name in (port, port + TWIN):
            different = (self.bench.bits(name) ^ self.shown.bits) & self.shown.known
            assert not different, (self.bench.cycle, name, hex(different))
        self.compared += self.shown.known != 0


class TwoPortTraffic(_Traffic):
    """For a memory with ports ``write_*``, ``read_*`` and, if it is registered, ``output_enable``.

    ``granules`` are the widths of what a bit of ``write_mask``, or else of ``write_enable``,
    enables. Granules that are written while they are read are not compared.
    """

    latch = _Word()

    def drive(self) -> None:
        rng = self.bench.rng
        filling = bool(self.empty)
        self.write_address, self.write_data, self.written = self.draw_write()
        self.set("write_address", self.write_address)
        self.set("write_data", self.write_data)
        if self.has("write_mask"):
            enable = filling or rng.random() < 0.7
            self.set("write_mask", self.written)
            self.set("write_enable", int(enable))
            self.written = self.written if enable else 0
        else:
            self.set("write_enable", self.written)
        self.read_enable = not filling and not self.stall()
        self.read_address = rng.choice(self.addresses)
        self.set("read_enable", int(self.read_enable))
        self.set("read_address", self.read_address)
        self.output_enable = rng.random() < 0.7
        if self.has("output_enable"):
            self.set("output_enable", int(self.output_enable))

    def sample(self) -> None:
        self.check()
        before = self.latch
        if self.read_enable:
            known = (1 << self.width) - 1
            if self.read_address == self.write_address:
                known &= ~self.bits_of(self.written)
            self.latch = _Word(self.content[self.read_address], known)
        if not self.has("output_enable"):
            self.shown = self.latch
        elif self.output_enable:
            self.shown = before
        self.write(self.write_address, self.write_data, self.written)


class OnePortTraffic(_Traffic):
    """For a memory that is read or written in a cycle; what it shows after a write is not compared.

    ``granules`` are the widths of what a bit of ``write_mask`` enables.
    """

    def drive(self) -> None:
        rng = self.bench.rng
        filling = bool(self.empty)
        self.enable = filling or not self.stall()
        self.writes = filling or rng.random() < 0.5
        if self.writes:
            self.address, self.data, self.written = self.draw_write()
        else:
            # The mask of a read has no effect.
            self.address, self.written = rng.choice(self.addresses), rng.getrandbits(2)
            self.data = rng.getrandbits(self.width)
        self.set("enable", int(self.enable))
        self.set("address", self.address)
        self.set("write_enable", int(self.writes))
        self.set("write_mask", self.written)
        self.set("write_data", self.data)

    def sample(self) -> None:
        self.check()
        if self.enable and self.writes:
            self.write(self.address, self.data, self.written)
            self.shown = _Word()
        elif self.enable:
            self.shown = _Word(self.content[self.address], (1 << self.width) - 1)
