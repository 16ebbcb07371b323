# SPDX-License-Identifier: BSD-2-Clause
"""A board's Amaranth platform: imported when a design is made, not when boards are listed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from amaranth.build import Attrs, Pins, Platform, Resource, ResourceError, Subsignal

from .board import Board, BoardError
from .parts import Pin

#: Name of the resources with the pins of ``Board.held_high``.
HELD_HIGH = "held_high"
#: Name of the resource with the pins of ``Board.spi``.
SPI = "spi_host"
#: The pin that leads to the PLL directly, by device and package.
PLL_PADS = {("iCE40UP5K", "SG48"): "35"}


def load_platform(board: Board) -> Platform:
    """A new platform for one design, with the resources that the board adds to it.

    Raises:
        BoardError: the platform's package is not installed, or it describes another board.
    """
    module_name, _, class_name = board.platform.partition(":")
    try:
        platform = getattr(importlib.import_module(module_name), class_name)()
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        package = (
            'pip install "celosia[build]"'
            if missing.partition(".")[0] == "amaranth_boards"
            else "install the package that has it"
        )
        raise BoardError(
            f"board {board.name!r}: its platform {board.platform} needs the module {missing}, "
            f"which is not installed: {package}"
        ) from error
    except Exception as error:  # whatever the platform's module raises
        raise BoardError(
            f"board {board.name!r}: its platform {board.platform} cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(platform, Platform):
        raise BoardError(f"board {board.name!r}: {board.platform} is not an Amaranth platform")
    _check(board, platform)
    uart = board.uart
    added = [
        Resource(HELD_HIGH, index, *_pin(pin, "o")) for index, pin in enumerate(board.held_high)
    ]
    if uart.rx is not None and uart.tx is not None:
        signals = Subsignal("rx", *_pin(uart.rx, "i")), Subsignal("tx", *_pin(uart.tx, "o"))
        added.append(Resource(uart.resource, uart.number, *signals))
    if board.spi is not None:
        directions = {"sck": "i", "cs_n": "i", "copi": "i", "cipo": "o"}
        pins = [
            Subsignal(name, *_pin(getattr(board.spi, name), direction))
            for name, direction in directions.items()
        ]
        added.append(Resource(SPI, 0, *pins))
    try:
        platform.add_resources(added)
    except NameError as error:
        raise BoardError(f"board {board.name!r}: {error}") from error
    return platform


def _check(board: Board, platform: Any) -> None:
    for name, ours in (
        ("device", board.device.name),
        ("package", board.package),
        ("speed", board.speed),
    ):
        theirs = getattr(platform, name, "")
        if theirs != ours:
            raise BoardError(
                f"board {board.name!r}: its {name} is {ours!r}, but {board.platform} is for "
                f"{theirs!r}"
            )
    if not board.oscillator.internal:
        try:
            clock = platform.lookup(board.oscillator.resource).clock
        except ResourceError as error:
            raise BoardError(f"board {board.name!r}: its oscillator: {error}") from error
        if clock is None or clock.frequency != board.oscillator.mhz * 1e6:
            raise BoardError(
                f"board {board.name!r}: its oscillator has {board.oscillator.mhz:g} MHz, but "
                f"{board.platform} says {clock!r}"
            )


def _pin(pin: Pin, direction: str) -> tuple[Pins, Attrs]:
    pins = Pins(pin.name, dir=direction, conn=pin.connector, assert_width=1)
    return pins, Attrs(**pin.attributes)


@dataclass(frozen=True)
class BoardPins:
    """Ports of the pins that a design uses, without buffers.

    Attributes:
        oscillator: the clock; None if it comes from inside of the FPGA.
        pll_pad: whether that pin leads to the PLL directly.
        reset: what the platform names as its reset, if anything.
        link: by the name of the link's port.
        flash: those of the flash memory, if the design reads it.
        leds: by what they show, ``ready``, ``busy`` or ``error``.
        held_high: pins that are driven high.
    """

    oscillator: Any
    pll_pad: bool
    reset: Any
    link: dict[str, Any]
    flash: Any
    leds: dict[str, Any]
    held_high: list[Any]


def request_pins(board: Board, platform: Any, *, spi: bool = False, flash: bool) -> BoardPins:
    """Takes the pins of ``board`` from its platform: its LEDs, those of the serial port, or with
    ``spi`` of that link, and with ``flash`` those of the flash memory.

    Raises:
        BoardError: the board or the platform does not have them, or two things share one.
    """
    requested: dict[tuple[str, int], Any] = {}

    def port(name: str, number: int = 0, signal: str | None = None) -> Any:
        if (name, number) not in requested:
            try:
                requested[name, number] = platform.request(name, number, dir="-")
            except (ResourceError, NameError) as error:
                raise BoardError(f"board {board.name!r}: {error}") from error
        ports = requested[name, number]
        if signal is None:
            return ports
        if not hasattr(ports, signal):
            raise BoardError(f"board {board.name!r}: resource {name!r} has no signal {signal!r}")
        return getattr(ports, signal)

    oscillator = None if board.oscillator.internal else port(board.oscillator.resource)
    pad = PLL_PADS.get((board.device.name, board.package))
    if spi:
        if board.spi is None:
            raise BoardError(
                f"board {board.name!r}: no pins for SPI are known; use the serial port"
            )
        link = {name: port(SPI, 0, name) for name in ("sck", "cs_n", "copi", "cipo")}
    else:
        uart = board.uart
        link = {name: port(uart.resource, uart.number, name) for name in ("rx", "tx")}
    flash_port = None
    if flash:
        if board.flash is None or board.flash.resource is None:
            raise BoardError(f"board {board.name!r}: a design cannot read its flash memory")
        flash_port = port(board.flash.resource)
    leds = {name: getattr(board.leds, name) for name in ("ready", "busy", "error")}
    return BoardPins(
        oscillator=oscillator,
        pll_pad=oscillator is not None and oscillator.io.metadata[0].name == pad,
        reset=port(platform.default_rst) if platform.default_rst is not None else None,
        link=link,
        flash=flash_port,
        leds={
            name: port(led.resource, led.number, led.signal)
            for name, led in leds.items()
            if led is not None
        },
        held_high=[port(HELD_HIGH, index) for index in range(len(board.held_high))],
    )
