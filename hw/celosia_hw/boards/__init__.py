# SPDX-License-Identifier: BSD-2-Clause
"""Boards that accelerators are generated for.

>>> get_board("icebreaker").multipliers
8
"""

from .board import Board, BoardError
from .devices import Device, Memory, MemoryKind
from .registry import ENTRY_POINT_GROUP, all_boards, get_board

__all__ = [
    "ENTRY_POINT_GROUP",
    "Board",
    "BoardError",
    "Device",
    "Memory",
    "MemoryKind",
    "all_boards",
    "get_board",
]
