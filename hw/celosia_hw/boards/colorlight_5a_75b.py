# SPDX-License-Identifier: BSD-2-Clause
"""Colorlight 5A-75B, a driver card for LED walls, version 7.0."""

from .board import Board
from .devices import ECP5_CLOCKS, LFE5U_25F
from .parts import Flash, Loader, Oscillator

# The pins of the outputs have drivers that only send. The serial port uses the two others, on J19:
# its input is the button (KEY+), its output the only LED (DATA_LED-), which so shows the answers
# instead of the state. There is no USB: a converter with 3.3 V levels and a JTAG cable are needed.
COLORLIGHT_5A_75B = Board(
    name="colorlight_5a_75b",
    title="Colorlight 5A-75B",
    device=LFE5U_25F,
    package="BG256",
    speed="6",
    clock_mhz=ECP5_CLOCKS[8, 4],
    array=(8, 4),
    platform="amaranth_boards.colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
    oscillator=Oscillator(resource="clk25", mhz=25),
    # The platform exchanges the memory's data pins: no design reads it.
    flash=Flash(bytes=4 << 20, data_offset=1 << 20),
    loader=Loader(openfpgaloader=("-b", "colorlight"), ecppack=("--compress",)),
)
