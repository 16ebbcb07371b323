# SPDX-License-Identifier: BSD-2-Clause
"""UPduino 3 by tinyVision.ai."""

from .board import Board
from .devices import ICE40_UP5K

UPDUINO3 = Board(
    name="upduino3",
    title="tinyVision.ai UPduino 3",
    device=ICE40_UP5K,
    package="SG48",
    clock_mhz=24,
    array=(4, 4),
)
