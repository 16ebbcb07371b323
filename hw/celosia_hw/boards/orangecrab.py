# SPDX-License-Identifier: BSD-2-Clause
"""OrangeCrab r0.2 by Good Stuff Department, with either of two devices."""

from .board import Board
from .devices import LFE5U_25F, LFE5U_85F, Device


def _orangecrab(size: str, device: Device, array: tuple[int, int]) -> Board:
    return Board(
        name=f"orangecrab_{size.lower()}",
        title=f"OrangeCrab r0.2 {size}",
        device=device,
        package="MG285",
        speed="8",
        clock_mhz=75,
        array=array,
    )


ORANGECRAB_25F = _orangecrab("25F", LFE5U_25F, (4, 4))
ORANGECRAB_85F = _orangecrab("85F", LFE5U_85F, (8, 16))
