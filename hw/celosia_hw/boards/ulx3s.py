# SPDX-License-Identifier: BSD-2-Clause
"""ULX3S by Radiona, with any of four devices."""

from .board import Board
from .devices import LFE5U_12F, LFE5U_25F, LFE5U_45F, LFE5U_85F, Device


def _ulx3s(size: str, device: Device, array: tuple[int, int]) -> Board:
    return Board(
        name=f"ulx3s_{size.lower()}",
        title=f"Radiona ULX3S {size}",
        device=device,
        package="BG381",
        speed="6",
        clock_mhz=75,
        array=array,
    )


ULX3S_12F = _ulx3s("12F", LFE5U_12F, (4, 4))
ULX3S_25F = _ulx3s("25F", LFE5U_25F, (4, 4))
ULX3S_45F = _ulx3s("45F", LFE5U_45F, (8, 8))
ULX3S_85F = _ulx3s("85F", LFE5U_85F, (8, 16))
