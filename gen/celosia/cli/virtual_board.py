# SPDX-License-Identifier: BSD-2-Clause
"""The virtual board, as the commands use it."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from celosia.errors import ToolError

#: Seconds to wait for an answer of a virtual board: no byte is lost, but it may be slow.
VIRTUAL_TIMEOUT = 60.0


class Board(Protocol):
    """``port`` is the path of a pseudo-terminal, ``baud_rate`` the speed to open it with."""

    port: str
    baud_rate: int


def virtual_board(folder: Path) -> AbstractContextManager[Board]:
    """The accelerator that was generated into a folder, simulated behind a pseudo-terminal while
    the block lasts.

    Raises:
        ToolError: a package that the simulation needs is not installed.
    """
    # Imported on first use: simulation needs packages that nothing else needs.
    try:
        board: AbstractContextManager[Board] = importlib.import_module(
            "celosia_sim.virtual"
        ).VirtualBoard(folder)
    except ModuleNotFoundError as error:
        raise ToolError(
            f"the virtual board needs the package {error.name}, which is not installed: "
            "pip install 'celosia[sim,host]' installs it"
        ) from None
    return board
