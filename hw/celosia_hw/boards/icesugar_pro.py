# SPDX-License-Identifier: BSD-2-Clause
"""iCESugar-pro by MuseLab."""

from .board import Board
from .devices import LFE5U_25F

ICESUGAR_PRO = Board(
    name="icesugar_pro",
    title="MuseLab iCESugar-pro",
    device=LFE5U_25F,
    package="BG256",
    speed="6",
    clock_mhz=75,
    array=(4, 4),
)
