# SPDX-License-Identifier: BSD-2-Clause
"""Lattice's iCE40 UltraPlus breakout board (iCE40UP5K-B-EVN)."""

from .board import Board
from .devices import ICE40_UP5K
from .parts import Flash, Led, Leds, Loader, Oscillator, Pin, Uart, pmod_spi

# The board's FT2232H has no wires for a serial port: a converter with 3.3 V levels goes to header C
# (J3), its output to pin 20 and its input to pin 18, where LiteX expects it as well.
UP5K_EVN = Board(
    name="up5k_evn",
    title="Lattice iCE40UP5K-B-EVN",
    device=ICE40_UP5K,
    package="SG48",
    clock_mhz=24,
    array=(4, 4),
    platform="amaranth_boards.ice40_up5k_b_evn:ICE40UP5KBEVNPlatform",
    oscillator=Oscillator(resource="clk12", mhz=12),
    uart=Uart(
        rx=Pin(name="20", connector=("j", 2), attributes={"IO_STANDARD": "SB_LVCMOS", "PULLUP": 1}),
        tx=Pin(name="18", connector=("j", 2), attributes={"IO_STANDARD": "SB_LVCMOS"}),
    ),
    spi=pmod_spi(0, "PMOD connector U6, pins 7 to 10", first=7, IO_STANDARD="SB_LVCMOS"),
    leds=Leds(ready=Led(resource="led_g"), busy=Led(resource="led_b"), error=Led(resource="led_r")),
    flash=Flash(bytes=4 << 20, data_offset=1 << 20, resource="spi_flash_1x"),
    loader=Loader(openfpgaloader=("-b", "ice40_generic"), sram=False, iceprog=True),
)
