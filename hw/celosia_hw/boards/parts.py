# SPDX-License-Identifier: BSD-2-Clause
"""What lies on a board around its FPGA: oscillator, serial port, LEDs, flash, programmer."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Resource name of the oscillator inside of an iCE40 UltraPlus.
INTERNAL_OSCILLATOR = "SB_HFOSC"


@dataclass(frozen=True, kw_only=True)
class Oscillator:
    """Where the clock comes from.

    Attributes:
        resource: name of the platform's clock resource, or ``SB_HFOSC``.
        mhz: its frequency in MHz.
        tolerance: how far the frequency may be off, as a fraction; crystals count as exact.
    """

    resource: str
    mhz: float
    tolerance: float = 0.0

    @property
    def internal(self) -> bool:
        """Whether the oscillator is inside of the FPGA."""
        return self.resource == INTERNAL_OSCILLATOR


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A pin that the platform's resources do not have.

    Attributes:
        name: name of the ball or pin, or of the connector's pin.
        connector: (name, number) of the platform's connector that ``name`` belongs to.
        attributes: its attributes, as the platform writes them.
    """

    name: str
    connector: tuple[str, int] | None = None
    attributes: dict[str, str | int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class Uart:
    """The serial port to the host; ``rx`` is the FPGA's input.

    Attributes:
        resource: name of the platform's resource, with the signals ``rx`` and ``tx``. Where the
            platform has none, ``rx`` and ``tx`` say which pins it is made of.
        number: the resource's number.
        rx: pin that receives.
        tx: pin that sends.
    """

    resource: str = "uart"
    number: int = 0
    rx: Pin | None = None
    tx: Pin | None = None


@dataclass(frozen=True, kw_only=True)
class Led:
    """An LED; the platform knows its polarity.

    Attributes:
        resource: name of the platform's resource.
        number: the resource's number.
        signal: the signal of it, if it has several.
    """

    resource: str
    number: int = 0
    signal: str | None = None


@dataclass(frozen=True, kw_only=True)
class Leds:
    """What shows the state: ``ready`` lights while nothing runs, ``busy`` during a run, ``error``
    from an error to the next start. A board with fewer than three leaves some out."""

    ready: Led | None = None
    busy: Led | None = None
    error: Led | None = None


@dataclass(frozen=True, kw_only=True)
class Flash:
    """The memory that the FPGA loads its bitstream from.

    Attributes:
        bytes: its size.
        data_offset: first byte behind the place of the bitstream, a multiple of the 64 KiB that
            flash memories erase at once; data of the user's can begin here.
        resource: name of the platform's resource, if it has one.
    """

    bytes: int
    data_offset: int
    resource: str | None = None


@dataclass(frozen=True, kw_only=True)
class Loader:
    """How a bitstream reaches the board.

    Attributes:
        openfpgaloader: arguments that name the board, or the cable, to openFPGALoader; none if
            it cannot program the board.
        sram: whether openFPGALoader can load the FPGA without writing its flash memory.
        iceprog: whether iceprog programs it.
        command: another program that programs it, with the bitstream as its last argument.
        ecppack: options of ecppack for a bitstream of this board.
    """

    openfpgaloader: tuple[str, ...] = ()
    sram: bool = True
    iceprog: bool = False
    command: tuple[str, ...] = ()
    ecppack: tuple[str, ...] = ()
