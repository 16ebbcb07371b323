# SPDX-License-Identifier: BSD-2-Clause
"""ECPIX-5 by LambdaConcept, with either of two devices."""

from .board import Board
from .devices import LFE5UM5G_45F, LFE5UM5G_85F, Device


def _ecpix5(size: str, device: Device, array: tuple[int, int]) -> Board:
    return Board(
        name=f"ecpix5_{size.lower()}",
        title=f"LambdaConcept ECPIX-5 {size}",
        device=device,
        package="BG554",
        speed="8",
        clock_mhz=75,
        array=array,
    )


ECPIX5_45F = _ecpix5("45F", LFE5UM5G_45F, (8, 8))
ECPIX5_85F = _ecpix5("85F", LFE5UM5G_85F, (8, 16))
