# SPDX-License-Identifier: BSD-2-Clause
"""What the generator needs to know of a board."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..config import ARRAY_SIZES
from .devices import Device, Memory
from .parts import Flash, Leds, Loader, Oscillator, Pin, Spi, Uart


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
        platform: the board's Amaranth platform, ``module:class``; imported when it is needed.
        oscillator: where the clock comes from.
        uart: the serial port to the host.
        spi: pins for a host with SPI, if there are any.
        held_high: pins that are driven high, whatever the design does.
        leds: what shows the state of a run.
        flash: the memory that holds the bitstream, if there is one.
        loader: how a bitstream reaches the board.

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
    platform: str
    oscillator: Oscillator
    uart: Uart = field(default_factory=Uart)
    spi: Spi | None = None
    held_high: tuple[Pin, ...] = ()
    leds: Leds = field(default_factory=Leds)
    flash: Flash | None = None
    loader: Loader = field(default_factory=Loader)

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
        named = re.fullmatch(r"[\w.]+:\w+", self.platform) is not None
        check("platform", self.platform, named, "module:class")
        mhz = self.oscillator.mhz
        check("oscillator.mhz", mhz, 0 < mhz <= 1000, "from 0 to 1000")
        tolerance = self.oscillator.tolerance
        check("oscillator.tolerance", tolerance, 0 <= tolerance < 0.5, "from 0 to 0.5")
        pins = (self.uart.rx is None) == (self.uart.tx is None)
        check("uart", self.uart, pins, "a resource of the platform, or both of rx and tx")
        if self.flash is not None:
            offset = self.flash.data_offset
            inside = 0 <= offset <= self.flash.bytes and offset % 65536 == 0
            check("flash.data_offset", offset, inside, "a multiple of 65536 inside of the flash")

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
