# SPDX-License-Identifier: BSD-2-Clause
"""iCESugar-pro by MuseLab."""

from .board import Board
from .devices import ECP5_CLOCKS, LFE5U_25F
from .parts import Flash, Led, Leds, Loader, Oscillator

# The serial port is that of the debugger on the carrier board, iCELink. It shows up as a disk: the
# bitstream is copied there, or written by its own program icesprog.
ICESUGAR_PRO = Board(
    name="icesugar_pro",
    title="MuseLab iCESugar-pro",
    device=LFE5U_25F,
    package="BG256",
    speed="6",
    clock_mhz=ECP5_CLOCKS[8, 4],
    array=(8, 4),
    platform="amaranth_boards.icesugar_pro:ICESugarProPlatform",
    oscillator=Oscillator(resource="clk25", mhz=25),
    leds=Leds(
        ready=Led(resource="rgb_led", signal="g"),
        busy=Led(resource="rgb_led", signal="b"),
        error=Led(resource="rgb_led", signal="r"),
    ),
    flash=Flash(bytes=32 << 20, data_offset=1 << 20, resource="spi_flash_4x", quad=True),
    loader=Loader(sram=False, command=("icesprog",), ecppack=("--compress",)),
)
