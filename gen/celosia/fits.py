# SPDX-License-Identifier: BSD-2-Clause
"""Which boards a model fits, and how fast it would be there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celosia.compiler.compile import compile_graph
from celosia.compiler.sizing import size_config
from celosia.errors import BoardError, FitError, ModelError
from celosia.graph.ir import Graph
from celosia_hw.boards import Board, all_boards


def fits(
    graph: Graph, progress: Callable[[str, float, float, str], None] | None = None
) -> list[dict[str, Any]]:
    """A record for each board, in types that JSON has.

    board, clock_mhz and array, the board's own or a smaller one that suits the model better; fits;
    predicted_cycles and predicted_ms (at that clock) of one run and weights (``on chip``,
    ``scratchpad`` or ``external``: where they are read from), None where the model does not fit;
    reason why it does not, else None. ``graph`` is an optimized one.

    ``progress`` is called with "fits", how many boards are done, how many there are, and the name
    of the one at work.
    """
    boards = all_boards()
    # Boards with the same device and array get the same accelerator.
    known: dict[tuple[object, ...], dict[str, Any]] = {}
    records = []
    for done, board in enumerate(boards):
        if progress is not None:
            progress("fits", done, len(boards), board.name)
        device = board.device
        key = (board.family, device.memories, board.multipliers, board.array)
        if key not in known:
            known[key] = _outcome(graph, board)
        outcome = known[key]
        cycles = outcome["predicted_cycles"]
        records.append(
            {
                "board": board.name,
                "clock_mhz": board.clock_mhz,
                **outcome,
                "predicted_ms": round(cycles / (1000 * board.clock_mhz), 4) if cycles else None,
            }
        )
    if progress is not None:
        progress("fits", len(boards), len(boards), "")
    return records


def _outcome(graph: Graph, board: Board) -> dict[str, Any]:
    try:
        image = compile_graph(graph, size_config(graph, board, None))
    except (BoardError, FitError, ModelError) as error:
        return {
            "array": "x".join(map(str, board.array)),
            "fits": False,
            "predicted_cycles": None,
            "weights": None,
            "reason": str(error),
        }
    return {
        "array": image.config.name,
        "fits": True,
        "predicted_cycles": image.cycles,
        "weights": ("on chip", "scratchpad", "external")[image.usage["weight_source"]],
        "reason": None,
    }
