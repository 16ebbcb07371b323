# SPDX-License-Identifier: BSD-2-Clause
"""UPduino 3 by tinyVision.ai."""

from .board import Board
from .devices import ICE40_UP5K
from .parts import INTERNAL_OSCILLATOR, Flash, Led, Leds, Loader, Oscillator, Pin, Spi, Uart

# The 12 MHz oscillator reaches the FPGA only if a jumper is soldered, so the clock is the one in
# the FPGA: 48 MHz, at most 10 % off (FPGA-DS-02008, Internal Oscillators). The bits of the serial
# port are as far off: a host finds their rate by reading IDENT at rates around the one asked for.
#
# The serial port are the wires of the FT232H that also lead to the flash memory, as the maker's
# upduino.pcf has them (serial_rxd 15, serial_txd 14); so the chip select, 16, is driven high.
_OSCILLATOR = Oscillator(resource=INTERNAL_OSCILLATOR, mhz=48, tolerance=0.1)

UPDUINO3 = Board(
    name="upduino3",
    title="tinyVision.ai UPduino 3",
    device=ICE40_UP5K,
    package="SG48",
    clock_mhz=24,
    array=(4, 4),
    platform="amaranth_boards.upduino_v3:UpduinoV3Platform",
    oscillator=_OSCILLATOR,
    uart=Uart(
        rx=Pin(name="15", attributes={"IO_STANDARD": "SB_LVCMOS"}),
        tx=Pin(name="14", attributes={"IO_STANDARD": "SB_LVCMOS"}),
    ),
    held_high=(Pin(name="16", attributes={"IO_STANDARD": "SB_LVCMOS"}),),
    spi=Spi(
        cs_n=Pin(name="7", connector=("j", 0), attributes={"IO_STANDARD": "SB_LVCMOS"}),
        copi=Pin(name="8", connector=("j", 0), attributes={"IO_STANDARD": "SB_LVCMOS"}),
        cipo=Pin(name="9", connector=("j", 0), attributes={"IO_STANDARD": "SB_LVCMOS"}),
        sck=Pin(name="10", connector=("j", 0), attributes={"IO_STANDARD": "SB_LVCMOS"}),
        where="pins 23 (chip select), 25 (to the FPGA), 26 (from it) and 27 (clock)",
    ),
    leds=Leds(
        ready=Led(resource="rgb_led", signal="g"),
        busy=Led(resource="rgb_led", signal="b"),
        error=Led(resource="rgb_led", signal="r"),
    ),
    flash=Flash(bytes=4 << 20, data_offset=1 << 20),
    loader=Loader(openfpgaloader=("-b", "ice40_generic", "-c", "ft232"), sram=False, iceprog=True),
)
