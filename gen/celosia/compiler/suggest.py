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

    ``config`` is the configuration that was demanded, None if it was to be chosen. Empty if
    nothing would do.
    """
    if config is not None and _fits(graph, board, board.array):
        return "leave out the configuration, so that one is chosen for the model"
    smaller = [array for array in ((4, 4), (2, 2)) if array != board.array]
    for array in (board.array, *smaller):
        if config is None and _fits(graph, board, array):
            return f"the array {array[0]}x{array[1]} would do"
    boards: dict[str, Board] = {}
    for other in sorted(all_boards(), key=lambda b: b.device.luts):
        boards.setdefault(other.device.name, other)
    for other in boards.values():
        if other.device != board.device and _fits(graph, other, other.array):
            return f"the board {other.name} would do"
    return "no known board holds this model"


def _fits(graph: Graph, board: Board, array: tuple[int, int]) -> bool:
    try:
        make_plan(graph, size_config(graph, board, array))
    except (FitError, BoardError, ModelError):
        return False
    return True
