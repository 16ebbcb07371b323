# SPDX-License-Identifier: BSD-2-Clause
"""``celosia virtual``."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from celosia.errors import CelosiaError, ToolError

from .examples import examples
from .progress import progress_bars
from .report import fail
from .virtual_board import STAGES, virtual_board

if TYPE_CHECKING:
    from celosia_sim.virtual import VirtualBoard

#: Seconds between two looks whether the board still runs.
_LOOK_SECONDS = 0.5


@click.command(
    short_help="Simulate a board behind a pseudo-terminal.",
    epilog=examples(
        "celosia virtual build/model",
        "celosia virtual build/model --seconds 60 --json",
        "celosia virtual build/model --link spi --flash",
        "celosia run build/model --port /dev/pts/3 --input images.npy",
    ),
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--link",
    type=click.Choice(["uart", "spi"]),
    default="uart",
    show_default=True,
    help="What is at the pins: a serial port, or SPI behind a socket.",
)
@click.option(
    "--flash/--no-flash",
    default=None,
    help="Whether the board boots from a flash memory with the model in it; by default it does if "
    "weights are streamed from there.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    metavar="N",
    help="End after N seconds; without it, Ctrl-C ends it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def virtual(
    directory: Path, *, link: str, flash: bool | None, seconds: float | None, as_json: bool
) -> None:
    """Simulate the accelerator in DIRECTORY as a board behind a pseudo-terminal.

    Prints the path of the port, which takes what a board's serial port takes: 'celosia run
    --port', celosia.Device, the C driver on a PC. The port is gone when the command ends. With SPI
    the path is that of a socket, which answers each byte with the one that came back.
    """
    try:
        with ExitStack() as stack:
            with progress_bars(STAGES, quiet=as_json) as advance:
                board = stack.enter_context(
                    virtual_board(directory, advance, link=link, flash=flash)
                )
            ended = stack.enter_context(_interrupts())
            record = {"port": board.port, "baud_rate": board.baud_rate}
            click.echo(json.dumps(record) if as_json else board.port)
            if not as_json:
                click.echo("Ctrl-C ends it" if seconds is None else f"for {seconds:g} s", err=True)
            _wait(board, ended, seconds)
    except CelosiaError as error:
        fail(error, as_json=as_json)


def _wait(board: VirtualBoard, ended: threading.Event, seconds: float | None) -> None:
    """Returns at the end of the time, or when ``ended`` is set.

    Raises:
        ToolError: the board has ended by itself.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not ended.wait(min(left, _LOOK_SECONDS)):
        if not board.running:
            raise ToolError("the simulation of the virtual board has ended by itself")


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Yields an event that Ctrl-C or the end of the session sets, instead of an exception that
    could come in the middle of anything."""
    event = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        event.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield event
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
