# SPDX-License-Identifier: BSD-2-Clause
"""The virtual board, as the commands use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from celosia.errors import ToolError

from .progress import Advance

if TYPE_CHECKING:
    from celosia_sim.virtual import VirtualBoard

#: What a virtual board does before it has a port, for progress bars.
STAGES = {"compile": "Compiling", "start": "Starting"}


def virtual_board(
    folder: Path, advance: Advance, *, link: str = "uart", flash: bool | None = None
) -> VirtualBoard:
    """The accelerator of a folder, simulated at its pins while the block that it is entered in
    lasts. ``link`` and ``flash`` are as for ``build``; by default there is a flash memory if the
    model needs one.

    Raises:
        ToolError: a package that the simulation needs is not installed.
    """
    try:
        from celosia_hw.core import LinkKind
        from celosia_sim.virtual import VirtualBoard
    except ModuleNotFoundError as error:
        raise ToolError(
            f"the virtual board needs the package {error.name}, which is not installed: "
            "pip install 'celosia[sim,host]' installs it"
        ) from None
    return VirtualBoard(
        folder,
        link=LinkKind(link),
        flash=flash,
        progress=lambda stage, done: advance(stage, done, 1, ""),
    )
