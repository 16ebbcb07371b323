# SPDX-License-Identifier: BSD-2-Clause
"""iCEBreaker by 1BitSquared."""

from .board import Board
from .devices import ICE40_UP5K

ICEBREAKER = Board(
    name="icebreaker",
    title="1BitSquared iCEBreaker",
    device=ICE40_UP5K,
    package="SG48",
    clock_mhz=24,
    array=(4, 4),
)
