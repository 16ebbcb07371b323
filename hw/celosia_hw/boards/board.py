# SPDX-License-Identifier: BSD-2-Clause
"""What the generator needs to know of a board."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..config import ARRAY_SIZES
from .devices import Device, Memory


class BoardError(ValueError):
    """A board is unknown, cannot be loaded, or describes what cannot be."""


#: Families whose memories and multipliers the generator knows.
FAMILIES = ("ice40", "ecp5")


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board that an accelerator can be generated for.

    Attributes:
        name: how the command line names it: lower-case letters, digits and underscores.
        title: how its maker names it.
        device: the FPGA on it.
        package: package code as nextpnr and Amaranth write it, for example ``SG48``.
        speed: speed grade, or an empty string where the family has none.
        clock_mhz: frequency in MHz that latencies are computed for unless another is chosen.
        array: default MAC array, (output channels, input channels).

    Raises:
        BoardError: an attribute is outside of its range.
    """

    name: str
    title: str
    device: Device
    package: str
    speed: str = ""
    clock_mhz: float
    array: tuple[int, int]

    def __post_init__(self) -> None:
        def check(attribute: str, value: object, good: bool, what: str) -> None:
            if not good:
                raise BoardError(f"board {self.name!r}: {attribute} must be {what}, not {value!r}")

        name_is_good = re.fullmatch(r"[a-z0-9_]+", self.name) is not None
        check("name", self.name, name_is_good, "lower-case letters, digits and underscores")
        family = self.device.family
        check("device.family", family, family in FAMILIES, f"one of {FAMILIES}")
        check("clock_mhz", self.clock_mhz, 0 < self.clock_mhz <= 1000, "from 0 to 1000")
        fits = len(self.array) == 2 and all(size in ARRAY_SIZES for size in self.array)
        check("array", self.array, fits, f"two of {ARRAY_SIZES}")

    @property
    def family(self) -> str:
        """``ice40`` or ``ecp5``."""
        return self.device.family

    @property
    def multipliers(self) -> int:
        """DSP multipliers: SB_MAC16 (two int8 products each) or MULT18X18D."""
        return self.device.multipliers

    @property
    def memories(self) -> tuple[Memory, ...]:
        """Memory blocks by kind."""
        return self.device.memories
