# SPDX-License-Identifier: BSD-2-Clause
"""OrangeCrab r0.2 by Good Stuff Department, with either of two devices."""

from .board import Board
from .devices import ECP5_CLOCKS, LFE5U_25F, LFE5U_85F, Device
from .parts import Flash, Led, Leds, Loader, Oscillator, Pin, Spi, Uart


def _orangecrab(size: str, device: Device, array: tuple[int, int]) -> Board:
    return Board(
        name=f"orangecrab_{size.lower()}",
        title=f"OrangeCrab r0.2 {size}",
        device=device,
        package="MG285",
        speed="8",
        clock_mhz=ECP5_CLOCKS[array],
        array=array,
        platform=f"amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_{size}Platform",
        oscillator=Oscillator(resource="clk", mhz=48),
        # The USB port leads to the FPGA itself. A converter with 3.3 V levels goes to the pins that
        # the Feather form names RX (0, N17) and TX (1, M18), as in LiteX's platform.
        uart=Uart(
            rx=Pin(
                name="0",
                connector=("io", 0),
                attributes={"IO_TYPE": "LVCMOS33", "PULLMODE": "UP"},
            ),
            tx=Pin(name="1", connector=("io", 0), attributes={"IO_TYPE": "LVCMOS33"}),
        ),
        spi=Spi(
            cs_n=Pin(name="5", connector=("io", 0), attributes={"IO_TYPE": "LVCMOS33"}),
            copi=Pin(name="copi", connector=("io", 0), attributes={"IO_TYPE": "LVCMOS33"}),
            cipo=Pin(name="cipo", connector=("io", 0), attributes={"IO_TYPE": "LVCMOS33"}),
            sck=Pin(name="sck", connector=("io", 0), attributes={"IO_TYPE": "LVCMOS33"}),
            where="5 (chip select), MOSI, MISO and SCK",
        ),
        leds=Leds(
            ready=Led(resource="rgb_led", signal="g"),
            busy=Led(resource="rgb_led", signal="b"),
            error=Led(resource="rgb_led", signal="r"),
        ),
        # The boot loader lies at 0 and starts the bitstream at 512 KiB. It writes nothing else, so
        # that a design cannot find a model here.
        flash=Flash(bytes=16 << 20, data_offset=5 << 19),
        loader=Loader(
            openfpgaloader=("-b", "orangeCrab"),
            sram=False,
            ecppack=("--compress", "--freq", "38.8"),
        ),
    )


ORANGECRAB_25F = _orangecrab("25F", LFE5U_25F, (8, 4))
ORANGECRAB_85F = _orangecrab("85F", LFE5U_85F, (8, 16))
