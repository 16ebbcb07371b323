# SPDX-License-Identifier: BSD-2-Clause
"""ULX3S by Radiona, with any of four devices."""

from .board import Board
from .devices import ECP5_CLOCKS, LFE5U_12F, LFE5U_25F, LFE5U_45F, LFE5U_85F, Device
from .parts import Flash, Led, Leds, Loader, Oscillator, Pin, Spi


def _ulx3s(size: str, device: Device, array: tuple[int, int]) -> Board:
    return Board(
        name=f"ulx3s_{size.lower()}",
        title=f"Radiona ULX3S {size}",
        device=device,
        package="BG381",
        speed="6",
        clock_mhz=ECP5_CLOCKS[array],
        array=array,
        platform=f"amaranth_boards.ulx3s:ULX3S_{size}_Platform",
        oscillator=Oscillator(resource="clk25", mhz=25),
        # GPIO0 of the ESP32 module, which could else take over the FPGA's configuration.
        held_high=(Pin(name="L2", attributes={"IO_TYPE": "LVCMOS33"}),),
        spi=Spi(
            cs_n=Pin(name="0+", connector=("gpio", 0), attributes={"IO_TYPE": "LVCMOS33"}),
            copi=Pin(name="1+", connector=("gpio", 0), attributes={"IO_TYPE": "LVCMOS33"}),
            cipo=Pin(name="2+", connector=("gpio", 0), attributes={"IO_TYPE": "LVCMOS33"}),
            sck=Pin(name="3+", connector=("gpio", 0), attributes={"IO_TYPE": "LVCMOS33"}),
            where="GP0 (chip select), GP1 (to the FPGA), GP2 (from it) and GP3 (clock)",
        ),
        leds=Leds(
            ready=Led(resource="led", number=0),
            busy=Led(resource="led", number=1),
            error=Led(resource="led", number=2),
        ),
        # A bitstream of the 85F, not compressed, is just below 2 MiB.
        flash=Flash(bytes=16 << 20, data_offset=2 << 20, resource="spi_flash"),
        loader=Loader(openfpgaloader=("-b", "ulx3s"), ecppack=("--compress",)),
    )


ULX3S_12F = _ulx3s("12F", LFE5U_12F, (8, 4))
ULX3S_25F = _ulx3s("25F", LFE5U_25F, (8, 4))
ULX3S_45F = _ulx3s("45F", LFE5U_45F, (8, 8))
ULX3S_85F = _ulx3s("85F", LFE5U_85F, (8, 16))
