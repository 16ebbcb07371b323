# SPDX-License-Identifier: BSD-2-Clause
"""``celosia boards``."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from celosia_hw.boards import Board, all_boards
from celosia_hw.boards.parts import Pin

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
        "oscillator": {
            "mhz": board.oscillator.mhz,
            "tolerance": board.oscillator.tolerance,
            "internal": board.oscillator.internal,
        },
        "uart": {
            "resource": f"{board.uart.resource}#{board.uart.number}",
            "rx": _pin(board.uart.rx),
            "tx": _pin(board.uart.tx),
        },
        "leds": [
            name for name in ("ready", "busy", "error") if getattr(board.leds, name) is not None
        ],
        "spi": None
        if board.spi is None
        else {
            "where": board.spi.where,
            **{name: _pin(getattr(board.spi, name)) for name in ("sck", "cs_n", "copi", "cipo")},
        },
        "flash_bytes": board.flash.bytes if board.flash is not None else None,
        "boots_from_flash": board.flash is not None and board.flash.resource is not None,
    }


def _pin(pin: Pin | None) -> str | None:
    """A pin of our own as text; None: the platform knows it."""
    if pin is None or pin.connector is None:
        return pin.name if pin is not None else None
    connector, number = pin.connector
    return f"{connector}_{number}:{pin.name}"


def _show(out: Console, report: Report) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("BOARD", "NAME", "DEVICE", "ARRAY"):
        table.add_column(title, no_wrap=True)
    for title in ("LUTS", "MULT", "MEMORY"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("LINKS", "BOOTS"):
        table.add_column(title, no_wrap=True)
    for board in report["boards"]:
        kilobytes = sum(memory["bytes"] for memory in board["memories"]) // 1024
        counts = (f"{board['luts']:,}", str(board["multipliers"]), f"{kilobytes} KB")
        ways = (
            "UART, SPI" if board["spi"] else "UART",
            "yes" if board["boots_from_flash"] else "no",
        )
        names = (board["name"], board["title"], board["device"], board["array"])
        table.add_row(*names, *counts, *ways)
    out.print(table)


@click.command(
    short_help="List the boards.",
    epilog=examples("celosia boards", "celosia boards --json"),
)
@reporting(_show)
def boards(*, quiet: bool) -> Report:
    """List the boards that accelerators can be generated for.

    ARRAY is the default MAC array of a board, output channels x input channels. LINKS are those
    whose pins are known; a board BOOTS if a design can read the model from its flash memory.
    """
    return {"boards": [board_record(board) for board in all_boards()]}
