# SPDX-License-Identifier: BSD-2-Clause
"""Lattice's iCE40 UltraPlus breakout board (iCE40UP5K-B-EVN)."""

from .board import Board
from .devices import ICE40_UP5K

UP5K_EVN = Board(
    name="up5k_evn",
    title="Lattice iCE40UP5K-B-EVN",
    device=ICE40_UP5K,
    package="SG48",
    clock_mhz=24,
    array=(4, 4),
)
