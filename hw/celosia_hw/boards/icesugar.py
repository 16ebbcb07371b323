# SPDX-License-Identifier: BSD-2-Clause
"""iCESugar by MuseLab."""

from .board import Board
from .devices import ICE40_UP5K

ICESUGAR = Board(
    name="icesugar",
    title="MuseLab iCESugar",
    device=ICE40_UP5K,
    package="SG48",
    clock_mhz=24,
    array=(4, 4),
)
