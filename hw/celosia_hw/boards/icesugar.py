# SPDX-License-Identifier: BSD-2-Clause
"""iCESugar by MuseLab, version 1.5."""

from .board import Board
from .devices import ICE40_UP5K
from .parts import Flash, Led, Leds, Loader, Oscillator, pmod_spi

# The clock and the serial port are those of the debugger on the board, iCELink. It shows up as a
# disk: the bitstream is copied there, or written by its own program icesprog.
ICESUGAR = Board(
    name="icesugar",
    title="MuseLab iCESugar",
    device=ICE40_UP5K,
    package="SG48",
    clock_mhz=24,
    array=(4, 4),
    platform="amaranth_boards.icesugar:ICESugarPlatform",
    oscillator=Oscillator(resource="clk12", mhz=12),
    spi=pmod_spi(1, "PMOD2, pins 1 to 4", IO_STANDARD="SB_LVCMOS"),
    leds=Leds(ready=Led(resource="led_g"), busy=Led(resource="led_b"), error=Led(resource="led_r")),
    flash=Flash(bytes=8 << 20, data_offset=1 << 20, resource="spi_flash_4x", quad=True),
    loader=Loader(sram=False, command=("icesprog",)),
)
