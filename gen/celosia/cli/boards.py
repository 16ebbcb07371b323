# SPDX-License-Identifier: BSD-2-Clause
"""``celosia boards``."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from celosia_hw.boards import Board, all_boards

from .examples import examples
from .report import Report, reporting


def board_record(board: Board) -> Report:
    """A board in types that JSON has."""
    return {
        "name": board.name,
        "title": board.title,
        "family": board.family,
        "device": board.device.name,
        "package": board.package,
        "speed": board.speed,
        "luts": board.device.luts,
        "multipliers": board.multipliers,
        "memories": [
            {"kind": memory.kind.value, "blocks": memory.blocks, "bytes": memory.bytes}
            for memory in board.memories
        ],
        "clock_mhz": board.clock_mhz,
        "array": "x".join(map(str, board.array)),
    }


def _show(out: Console, report: Report) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("BOARD", "NAME", "DEVICE", "ARRAY"):
        table.add_column(title, no_wrap=True)
    for title in ("LUTS", "MULT", "MEMORY"):
        table.add_column(title, justify="right", no_wrap=True)
    for board in report["boards"]:
        kilobytes = sum(memory["bytes"] for memory in board["memories"]) // 1024
        counts = (f"{board['luts']:,}", str(board["multipliers"]), f"{kilobytes} KB")
        table.add_row(board["name"], board["title"], board["device"], board["array"], *counts)
    out.print(table)


@click.command(
    short_help="List the boards.",
    epilog=examples("celosia boards", "celosia boards --json"),
)
@reporting(_show)
def boards(*, quiet: bool) -> Report:
    """List the boards that accelerators can be generated for.

    ARRAY is the default MAC array of a board, output channels x input channels.
    """
    return {"boards": [board_record(board) for board in all_boards()]}
