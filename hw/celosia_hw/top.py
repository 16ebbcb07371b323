# SPDX-License-Identifier: BSD-2-Clause
"""A whole design for a board: the accelerator with its link, clock, reset and LEDs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockDomain, Const, Module, ResetSignal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import connect

from .boards import Board, BoardError
from .boards.clock import ClockAndReset, ClockChoice, choose_clock, fastest_mhz
from .boards.platform import BoardPins, load_platform, request_pins
from .config import AcceleratorConfig
from .core import Core, LinkKind
from .flash.pins import FlashPins
from .flash.reader import FlashReader
from .link.uart import BAUD_RATE, baud_divisor
from .verilog import no_collection

#: Options that name a device to nextpnr.
DEVICE_OPTIONS = {
    "iCE40UP5K": "--up5k",
    "LFE5U-12F": "--12k",
    "LFE5U-25F": "--25k",
    "LFE5U-45F": "--45k",
    "LFE5U-85F": "--85k",
    "LFE5UM-25F": "--um-25k",
    "LFE5UM-45F": "--um-45k",
    "LFE5UM-85F": "--um-85k",
    "LFE5UM5G-25F": "--um5g-25k",
    "LFE5UM5G-45F": "--um5g-45k",
    "LFE5UM5G-85F": "--um5g-85k",
}
#: Package names of nextpnr that differ from the vendor's codes.
PACKAGES = {
    "BG256": "CABGA256",
    "BG381": "CABGA381",
    "BG554": "CABGA554",
    "BG756": "CABGA756",
    "MG285": "CSFBGA285",
}
#: The cells that give a memory its initial contents, in RTLIL.
_INITIAL_CONTENTS = re.compile(
    r"^(?:[ ]*attribute [^\n]*\n)*([ ]*)cell \$meminit\S* [^\n]*\n.*?^\1end\n",
    re.MULTILINE | re.DOTALL,
)


class Top(wiring.Component):
    """``core``, with the ports of ``Core``, between the pins of a board, with the board's clock."""

    def __init__(
        self, board: Board, pins: BoardPins, clock: ClockChoice, core: wiring.Component
    ) -> None:
        self.board = board
        self.pins = pins
        self.clock = clock
        self.core = core
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pins = self.pins
        m.domains.sync = ClockDomain()
        m.submodules.clock = ClockAndReset(self.board, pins, self.clock)
        m.submodules.core = core = self.core

        for name, port in pins.link.items():
            if core.signature.members[name].flow is wiring.In:
                m.submodules[name] = buffer = io.Buffer("i", port)
                m.d.comb += getattr(core, name).eq(buffer.i)
            else:
                m.submodules[name] = buffer = io.Buffer("o", port)
                m.d.comb += buffer.o.eq(getattr(core, name))
                if name == "cipo":
                    m.d.comb += buffer.oe.eq(core.cipo_enable)
        if pins.flash is not None and self.board.flash is not None:
            m.submodules.flash = flash = FlashPins(
                pins.flash, quad=self.board.flash.quad, divider=flash_divider(self.board)
            )
            connect(m, core.flash, flash.flash)
        # The state while in reset is not ready yet.
        shown = {
            "ready": core.ready & ~ResetSignal(),
            "busy": core.busy,
            "error": core.failed,
        }
        outputs = {f"led_{name}": (port, shown[name]) for name, port in pins.leds.items()}
        for index, port in enumerate(pins.held_high):
            outputs[f"held_high_{index}"] = (port, Const(1))
        for name, (port, value) in outputs.items():
            m.submodules[name] = buffer = io.Buffer("o", port)
            m.d.comb += buffer.o.eq(value)
        return m


@dataclass(frozen=True, kw_only=True)
class BoardSources:
    """What yosys, nextpnr and the packers need to make a bitstream.

    Attributes:
        board: name of the board.
        family: ``ice40`` or ``ecp5``: which synth_*, nextpnr-* and packer.
        toplevel: name of the top module.
        design: the design as RTLIL, for yosys' read_rtlil. Memories have no initial contents.
        constraints: pins, their attributes and the clocks' frequencies: PCF for iCE40, else LPF.
        device_option: the option that names the device to nextpnr, for example ``--up5k``.
        package: the package as nextpnr writes it.
        speed: speed grade, an empty string where the family has none.
        clock_mhz: the frequency of the design's clock.
        fmax_mhz: the frequency that timing must be met at: ``clock_mhz``, and more if the
            oscillator may be faster than it says. The constraints have it.
        oscillator_mhz: the frequency that the clock is made from.
        baud_rate: bits a second of the serial port, as the clock divides to it.
        flash_offset: where in the flash memory the design looks for its data, if it reads it.
    """

    board: str
    family: str
    toplevel: str
    design: str
    constraints: str
    device_option: str
    package: str
    speed: str
    clock_mhz: float
    fmax_mhz: float
    oscillator_mhz: float
    baud_rate: float
    flash_offset: int | None

    @property
    def constraints_suffix(self) -> str:
        """File name suffix of the constraints: ``pcf`` or ``lpf``."""
        return "pcf" if self.family == "ice40" else "lpf"

    @property
    def nextpnr_options(self) -> tuple[str, ...]:
        """Options of nextpnr that name the device."""
        speed = ("--speed", self.speed) if self.speed else ()
        return (self.device_option, "--package", self.package, *speed)


def board_sources(
    board: Board,
    config: AcceleratorConfig,
    clock_mhz: float,
    *,
    link: LinkKind = LinkKind.UART,
    baud_rate: int = BAUD_RATE,
    flash: bool | None = None,
    make_core: Callable[[int], wiring.Component] | None = None,
) -> BoardSources:
    """The sources of the accelerator ``config`` on ``board``, with the nearest clock that is not
    above ``clock_mhz``; the same texts for the same arguments.

    ``flash`` says whether it reads the board's flash memory; by default it does where it can.
    ``make_core`` makes, from the clock cycles of a bit on the serial port, something with the ports
    of a ``Core`` without flash to be on the board instead.

    Raises:
        BoardError: the board cannot make a clock near ``clock_mhz``, its platform is not installed
            or does not fit it, or nextpnr does not know its device.
        BaudRateError: the clock cannot be divided to ``baud_rate``.
    """
    if board.device.name not in DEVICE_OPTIONS:
        raise BoardError(f"board {board.name!r}: nextpnr does not know {board.device.name}")
    clock = choose_clock(board, clock_mhz)
    divisor = baud_divisor(clock.mhz, baud_rate)
    platform = load_platform(board)
    if flash is None:
        flash = board.flash is not None and board.flash.resource is not None and not make_core
    pins = request_pins(board, platform, spi=link is LinkKind.SPI, flash=flash)
    if make_core:
        core = make_core(divisor)
    else:
        core = Core(config, link=link, divisor=divisor, **_flash_options(board, clock, flash))
    with no_collection():
        plan = platform.prepare(Top(board, pins, clock, core), "top", emit_src=False)
    suffix = "pcf" if board.family == "ice40" else "lpf"
    return BoardSources(
        board=board.name,
        family=board.family,
        toplevel="top",
        design=_INITIAL_CONTENTS.sub("", _text(plan.files["top.il"])),
        constraints=_text(plan.files[f"top.{suffix}"]),
        device_option=DEVICE_OPTIONS[board.device.name],
        package=PACKAGES.get(board.package, board.package.lower()),
        speed=board.speed,
        clock_mhz=float(clock.mhz),
        fmax_mhz=float(fastest_mhz(board, clock)),
        oscillator_mhz=board.oscillator.mhz,
        baud_rate=float(clock.mhz * 1_000_000 / divisor),
        flash_offset=board.flash.data_offset if flash and board.flash else None,
    )


def flash_divider(board: Board) -> int:
    """Cycles of the clock in one of the flash memory's; see ``FlashPins``."""
    return 1 if board.family == "ice40" else 2


def _flash_options(board: Board, clock: ClockChoice, flash: bool) -> dict[str, Any]:
    """Arguments of ``Core``."""
    if not flash or board.flash is None:
        return {}
    divider = flash_divider(board)
    reader = FlashReader(clock_mhz=clock.mhz, quad=board.flash.quad, divider=divider)
    return {"flash": reader, "flash_base": board.flash.data_offset}


def _text(content: str | bytes) -> str:
    return content.decode() if isinstance(content, bytes) else content
