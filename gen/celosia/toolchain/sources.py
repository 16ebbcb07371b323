# SPDX-License-Identifier: BSD-2-Clause
"""What a build starts from: the design's files, and what they are for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from celosia_hw.boards import Board

if TYPE_CHECKING:
    from celosia_hw.config import AcceleratorConfig

_READ = {".v": "read_verilog", ".sv": "read_verilog -sv", ".il": "read_rtlil"}
#: A module's header in Verilog and in RTLIL; a backslash marks an escaped or a public name.
_MODULE = re.compile(r"^\s*module\s+\\?([^\s(;#]+)", re.MULTILINE)

#: Suffix of the constraints' file, by family.
CONSTRAINTS = {"ice40": ".pcf", "ecp5": ".lpf"}


@dataclass(frozen=True, kw_only=True)
class Sources:
    """A design for one device.

    Attributes:
        top: name of the top module.
        files: texts by file name: Verilog (``.v``, ``.sv``) or RTLIL (``.il``), and constraints
            (``.pcf`` for iCE40, ``.lpf`` for ECP5). Without constraints nextpnr chooses the pins.
        family: ``ice40`` or ``ecp5``.
        device: what the vendor calls the FPGA.
        nextpnr_options: name the device, package and speed grade to nextpnr.
        clock_mhz: frequency of the design's clock in MHz.
        required_mhz: frequency that its timing must be met at; more than ``clock_mhz`` if the
            oscillator is inexact. Clocks without a constraint get it too.
        block: instance path of the accelerator below the top module; left out of blocks' names.
        pack_options: options of icepack or ecppack.
        link: ``uart`` or ``spi``, if a host is meant to reach the design.
        baud_rate: of the UART.
        flash_offset: where the design looks in its board's flash memory, if it does.
    """

    top: str
    files: dict[str, str]
    family: str
    device: str
    nextpnr_options: tuple[str, ...]
    clock_mhz: float
    required_mhz: float
    block: tuple[str, ...] = ()
    pack_options: tuple[str, ...] = ()
    link: str = ""
    baud_rate: float | None = None
    flash_offset: int | None = None

    @property
    def designs(self) -> list[str]:
        """Names of the files that Yosys reads, in order."""
        return [name for name in self.files if Path(name).suffix in _READ]

    @property
    def constraints(self) -> str | None:
        """Name of the file with the constraints."""
        suffix = CONSTRAINTS[self.family]
        return next((name for name in self.files if name.endswith(suffix)), None)

    @property
    def modules(self) -> list[str]:
        """Names of all modules of the design."""
        texts = (self.files[name] for name in self.designs)
        return list(dict.fromkeys(name for text in texts for name in _MODULE.findall(text)))

    def write(self, folder: Path) -> None:
        """Writes all files into ``folder``."""
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")


def elaborate(
    board: Board,
    config: AcceleratorConfig,
    clock_mhz: float,
    *,
    link: str = "uart",
    baud_rate: int | None = None,
    flash: bool | None = None,
) -> Sources:
    """The sources of the accelerator ``config`` on ``board``, with its clock and its link to a
    host, ``uart`` or ``spi``. With ``flash`` the design reads the board's flash memory; by default
    if it can.

    Raises:
        BoardError: the board cannot make that clock, has no pins for the link or no flash memory
            that a design can read, or its platform is not installed.
        BaudRateError: the clock cannot be divided to ``baud_rate``.
    """
    # Imported here: it brings the hardware language along.
    from celosia_hw.core import LinkKind
    from celosia_hw.link.uart import BAUD_RATE
    from celosia_hw.top import board_sources

    made = board_sources(
        board,
        config,
        clock_mhz,
        link=LinkKind(link),
        baud_rate=baud_rate or BAUD_RATE,
        flash=flash,
    )
    return Sources(
        top=made.toplevel,
        files={
            f"{made.toplevel}.il": made.design,
            f"{made.toplevel}.{made.constraints_suffix}": made.constraints,
        },
        family=made.family,
        device=board.device.name,
        nextpnr_options=made.nextpnr_options,
        clock_mhz=made.clock_mhz,
        required_mhz=made.fmax_mhz,
        block=("core", "accelerator"),
        link=link,
        baud_rate=made.baud_rate if link == "uart" else None,
        flash_offset=made.flash_offset,
        pack_options=board.loader.ecppack if made.family == "ecp5" else (),
    )


def read_command(name: str) -> str:
    """Yosys' command that reads a file of the design."""
    return f"{_READ[Path(name).suffix]} {name}"
