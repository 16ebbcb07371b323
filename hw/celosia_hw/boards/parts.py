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
class Spi:
    """Pins that lead to an SPI controller, named as the FPGA's: a peripheral's.

    Attributes:
        sck: serial clock.
        cs_n: chip select, low while selected.
        copi: data from the controller.
        cipo: data to the controller.
        where: what is written at these pins, for people.
    """

    sck: Pin
    cs_n: Pin
    copi: Pin
    cipo: Pin
    where: str


def pmod_spi(number: int, where: str, *, first: int = 1, **attributes: str | int) -> Spi:
    """A peripheral on four pins in a row of the platform's connector ``pmod``, as Digilent's Pmod
    Interface Specification 1.2.0 orders those of type 2."""

    def pin(offset: int) -> Pin:
        return Pin(name=str(first + offset), connector=("pmod", number), attributes=attributes)

    return Spi(cs_n=pin(0), copi=pin(1), cipo=pin(2), sck=pin(3), where=where)


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
            flash memories erase at once; what a design boots from begins here.
        resource: name of the platform's resource, if a design can read the memory: if its pins do
            not serve the link to the host as well.
        quad: whether it can be read on four lines, and is as ``FlashReader`` expects it then.
    """

    bytes: int
    data_offset: int
    resource: str | None = None
    quad: bool = False


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
