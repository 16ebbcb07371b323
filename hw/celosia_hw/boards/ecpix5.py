# SPDX-License-Identifier: BSD-2-Clause
"""ECPIX-5 by LambdaConcept, with either of two devices."""

from .board import Board
from .devices import ECP5_CLOCKS, LFE5UM5G_45F, LFE5UM5G_85F, Device
from .parts import Flash, Led, Leds, Loader, Oscillator, pmod_spi


def _ecpix5(size: str, device: Device, array: tuple[int, int]) -> Board:
    return Board(
        name=f"ecpix5_{size.lower()}",
        title=f"LambdaConcept ECPIX-5 {size}",
        device=device,
        package="BG554",
        speed="8",
        clock_mhz=ECP5_CLOCKS[array],
        array=array,
        platform=f"amaranth_boards.ecpix5:ECPIX5{size[:2]}Platform",
        oscillator=Oscillator(resource="clk100", mhz=100),
        spi=pmod_spi(0, "PMOD0, pins 1 to 4", IO_TYPE="LVCMOS33"),
        leds=Leds(
            ready=Led(resource="rgb_led", number=0, signal="g"),
            busy=Led(resource="rgb_led", number=1, signal="b"),
            error=Led(resource="rgb_led", number=2, signal="r"),
        ),
        flash=Flash(bytes=32 << 20, data_offset=2 << 20, resource="spi_flash_1x"),
        loader=Loader(openfpgaloader=("-b", "ecpix5"), ecppack=("--compress",)),
    )


ECPIX5_45F = _ecpix5("45F", LFE5UM5G_45F, (8, 8))
ECPIX5_85F = _ecpix5("85F", LFE5UM5G_85F, (8, 16))
