# SPDX-License-Identifier: BSD-2-Clause
"""iCEBreaker by 1BitSquared, version 1.0."""

from .board import Board
from .devices import ICE40_UP5K
from .parts import Flash, Led, Leds, Loader, Oscillator, pmod_spi

# A green and a red LED: green for ready, red for busy. During an error neither lights.
ICEBREAKER = Board(
    name="icebreaker",
    title="1BitSquared iCEBreaker",
    device=ICE40_UP5K,
    package="SG48",
    clock_mhz=24,
    array=(4, 4),
    platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
    oscillator=Oscillator(resource="clk12", mhz=12),
    spi=pmod_spi(0, "PMOD1A, pins 1 to 4", IO_STANDARD="SB_LVCMOS"),
    leds=Leds(ready=Led(resource="led_g"), busy=Led(resource="led_r")),
    flash=Flash(bytes=16 << 20, data_offset=1 << 20, resource="spi_flash_4x", quad=True),
    loader=Loader(openfpgaloader=("-b", "ice40_generic"), sram=False, iceprog=True),
)
