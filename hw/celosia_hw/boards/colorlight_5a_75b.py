# SPDX-License-Identifier: BSD-2-Clause
"""Colorlight 5A-75B, a driver card for LED walls."""

from .board import Board
from .devices import LFE5U_25F

COLORLIGHT_5A_75B = Board(
    name="colorlight_5a_75b",
    title="Colorlight 5A-75B",
    device=LFE5U_25F,
    package="BG256",
    speed="6",
    clock_mhz=75,
    array=(4, 4),
)
