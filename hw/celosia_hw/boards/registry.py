# SPDX-License-Identifier: BSD-2-Clause
"""Finds boards by name: ours, and those that installed packages add.

A package adds a board through an entry point of the group ``celosia.boards``: its name is the
board's name, its value the place of a :class:`Board`.
"""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points

from .board import Board, BoardError
from .colorlight_5a_75b import COLORLIGHT_5A_75B
from .ecpix5 import ECPIX5_45F, ECPIX5_85F
from .icebreaker import ICEBREAKER
from .icesugar import ICESUGAR
from .icesugar_pro import ICESUGAR_PRO
from .orangecrab import ORANGECRAB_25F, ORANGECRAB_85F
from .ulx3s import ULX3S_12F, ULX3S_25F, ULX3S_45F, ULX3S_85F
from .up5k_evn import UP5K_EVN
from .upduino3 import UPDUINO3

ENTRY_POINT_GROUP = "celosia.boards"

BUILT_IN: dict[str, Board] = {
    board.name: board
    for board in (
        ICEBREAKER,
        UPDUINO3,
        ICESUGAR,
        UP5K_EVN,
        ULX3S_12F,
        ULX3S_25F,
        ULX3S_45F,
        ULX3S_85F,
        ORANGECRAB_25F,
        ORANGECRAB_85F,
        ECPIX5_45F,
        ECPIX5_85F,
        ICESUGAR_PRO,
        COLORLIGHT_5A_75B,
    )
}


def _added() -> dict[str, EntryPoint]:
    """Entry points by board name; raises BoardError if a name is taken already."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        if entry.name in BUILT_IN or entry.name in found:
            raise BoardError(
                f"the package {_package(entry)} adds a board {entry.name!r}, but that name is "
                "taken: rename its entry point and its board, or uninstall the package"
            )
        found[entry.name] = entry
    return found


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "(unknown)"


def _load(entry: EntryPoint) -> Board:
    try:
        board = entry.load()
    except Exception as error:  # whatever the package's module raises
        raise BoardError(
            f"board {entry.name!r} of the package {_package(entry)} cannot be loaded from "
            f"{entry.value}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(board, Board) or board.name != entry.name:
        raise BoardError(
            f"entry point {entry.name!r} of the package {_package(entry)} must name a Board "
            f"called {entry.name!r}, but {entry.value} is {board!r}"
        )
    return board


def get_board(name: str) -> Board:
    """The board called ``name``.

    Of the boards that packages add, only the one asked for is loaded.

    Raises:
        BoardError: there is none of that name (the message lists those with a similar one), or
            the package that adds it is broken.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    added = _added()
    if name in added:
        return _load(added[name])
    names = [*BUILT_IN, *added]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), names, n=4, cutoff=0.5)
    near += [known for known in names if known.startswith(f"{name.lower()}_") and known not in near]
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names)}."
    raise BoardError(f"there is no board {name!r}; {hint}")


def all_boards() -> list[Board]:
    """All boards: ours in a fixed order, then those of installed packages by name.

    Raises:
        BoardError: a package adds a board that cannot be loaded or whose name is taken.
    """
    return [*BUILT_IN.values(), *(_load(entry) for _, entry in sorted(_added().items()))]
