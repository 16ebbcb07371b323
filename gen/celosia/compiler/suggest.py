# SPDX-License-Identifier: BSD-2-Clause
"""Which board or array would do for a model that does not fit."""

from __future__ import annotations

from celosia.compiler.compile import make_plan
from celosia.compiler.sizing import size_config
from celosia.errors import BoardError, FitError, ModelError
from celosia.graph.ir import Graph
from celosia_hw.boards import Board, all_boards
from celosia_hw.config import AcceleratorConfig


def suggestion(graph: Graph, board: Board, config: AcceleratorConfig | None) -> str:
    """The end of a message: an array of the same board, or other boards, that hold ``graph``.

    ``config`` is the configuration that was demanded, None if it or its array was to be chosen.
    All that is named was tried.
    """
    if config is not None and _fits(graph, board, None):
        return "leave out the configuration, so that one is chosen for the model"
    for array in (None, (4, 4), (2, 2)):
        if config is None and (found := _fits(graph, board, array)):
            return f"the array {found.name} would do"
    boards: dict[str, Board] = {}
    for other in sorted(all_boards(), key=lambda b: b.device.luts):
        boards.setdefault(other.device.name, other)
    for other in boards.values():
        if other.device != board.device and _fits(graph, other, None):
            return f"the board {other.name} would do"
    return "no known board holds this model"


def _fits(graph: Graph, board: Board, array: tuple[int, int] | None) -> AcceleratorConfig | None:
    """The configuration that holds ``graph``."""
    try:
        config = size_config(graph, board, array)
        make_plan(graph, config)
    except (FitError, BoardError, ModelError):
        return None
    return config
