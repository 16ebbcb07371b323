# SPDX-License-Identifier: BSD-2-Clause
"""Instructions before addresses are known: what lowering produces and what becomes the program."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.bits import required_bits
from celosia_hw.isa import ADDRESS_BITS, COMPUTE, Opcode

#: Strides are taken modulo this.
ADDRESS_SPACE = 1 << ADDRESS_BITS

_keys = count()


@dataclass(frozen=True)
class Limits:
    """Largest counts that an instruction can hold."""

    groups: int = COMPUTE["groups"].limit
    lines: int = COMPUTE["lines"].limit
    positions: int = COMPUTE["positions"].limit
    taps_c: int = COMPUTE["taps_c"].limit
    taps_ky: int = COMPUTE["taps_ky"].limit
    taps_kx: int = COMPUTE["taps_kx"].limit
    skip: int = COMPUTE["skip"].limit


@dataclass(frozen=True)
class Address:
    """A byte of a storage (see ``storage.py``), counted from its beginning."""

    storage: int
    offset: int

    def __add__(self, offset: int) -> Address:
        return Address(self.storage, self.offset + offset)


@dataclass(frozen=True)
class Loop:
    """``count`` iterations, ``stride`` bytes apart."""

    count: int = 1
    stride: int = 0

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        return np.arange(self.count, dtype=np.int64) * self.stride


@dataclass(frozen=True)
class Taps:
    """The three inner loops, outermost first."""

    ky: Loop = Loop()
    kx: Loop = Loop()
    c: Loop = Loop()

    @property
    def count(self) -> int:
        return self.ky.count * self.kx.count * self.c.count

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Address of each tap relative to its position, in order of execution."""
        ky, kx, c = self.ky.offsets, self.kx.offsets, self.c.offsets
        return (ky[:, None, None] + kx[None, :, None] + c[None, None, :]).ravel()


@dataclass(frozen=True)
class Entries:
    """Parameters of consecutive outputs, int64: bias, and those of a ``SingleRounding``."""

    bias: npt.NDArray[np.int64]
    multiplier: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]
    tie: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bias)

    @property
    def multiplier_bits(self) -> int:
        """Bits that the hardware's multiplier needs."""
        return int(required_bits(self.multiplier, self.shift, self.tie).max())

    def slice(self, start: int, stop: int) -> Entries:
        return Entries(
            self.bias[start:stop],
            self.multiplier[start:stop],
            self.shift[start:stop],
            self.tie[start:stop],
        )


@dataclass(frozen=True)
class SecondPass:
    """The second requantization: ``tables`` holds T1 and T2, 256 entries each."""

    tables: npt.NDArray[np.int32]
    shift: int
    low: int
    high: int
    residual: Address | None = None

    def behind(self, low: int, high: int) -> SecondPass:
        """The same for first results that are clamped; the hardware does not clamp them."""
        first, second = np.split(self.tables, 2)
        first = first[np.clip(np.arange(-128, 128), low, high) + 128]
        return replace(self, tables=np.concatenate([first, second]))


@dataclass(kw_only=True)
class Step:
    """One CONV, CHAIN, MAX or FILL, with counts and strides as in the instruction.

    ``weights`` is int8 (groups or 1 if shared, words, OC, IC). ``parameters`` has an entry for
    each output of each group, the last group filled up, or one entry if ``uniform``. ``op`` is
    the position of the operation in the graph's list, -1 where there is none. ``key`` identifies
    the step.
    """

    opcode: Opcode
    op: int = -1
    input: Address
    output: Address
    groups: Loop = Loop()
    lines: Loop = Loop()
    positions: Loop = Loop()
    taps: Taps = Taps()
    out_group: int = 0
    out_line: int = 0
    out_position: int = 0
    skip: int = 0
    tail: int = 1
    weights: npt.NDArray[np.int8] | None = None
    weights_shared: bool = False
    parameters: Entries | None = None
    uniform: bool = False
    zero_point: int = 0
    low: int = -128
    high: int = 127
    second: SecondPass | None = None
    key: int = field(default_factory=_keys.__next__)

    def part(self, **changes: Any) -> Step:
        """A copy with changes and an identity of its own."""
        return replace(self, key=next(_keys), **changes)

    @property
    def emissions(self) -> int:
        return self.groups.count * self.lines.count * (self.positions.count - self.skip)

    @property
    def weight_words(self) -> int:
        """Words of one group."""
        return 0 if self.weights is None else self.weights.shape[1]
