# SPDX-License-Identifier: BSD-2-Clause
"""What all commands share: reports as text or JSON, and errors as one message.

Reports go to stdout; errors, warnings and progress to stderr.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import click
from rich.console import Console

from celosia.errors import CelosiaError
from celosia_hw.boards import BoardError
from celosia_hw.config import ConfigError

#: Exit codes beside 0.
EXIT_MISMATCH = 1
EXIT_ERROR = 2

#: What a command found out, in types that JSON has.
Report: TypeAlias = dict[str, Any]

#: Columns of a report that does not go to a terminal.
_PIPE_WIDTH = 120


def console() -> Console:
    """Where the text of a report goes."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


def reporting(
    show: Callable[[Console, Report], None],
) -> Callable[[Callable[..., Report]], Callable[..., None]]:
    """Makes a command of a function that returns its report.

    Adds the option ``--json``. Without it ``show`` prints the report. The function is told with
    ``quiet`` not to show progress. An error that the user can cause ends the command with its
    message and ``EXIT_ERROR``; a report with mismatches ends it with ``EXIT_MISMATCH``.
    """

    def decorate(function: Callable[..., Report]) -> Callable[..., None]:
        @click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
        @functools.wraps(function)
        def command(*args: Any, as_json: bool, **options: Any) -> None:
            try:
                report = function(*args, quiet=as_json, **options)
            except (CelosiaError, BoardError, ConfigError) as error:
                fail(error, as_json=as_json)
            if as_json:
                click.echo(json.dumps(report, indent=2))
            else:
                show(console(), report)
            if report.get("mismatches"):
                sys.exit(EXIT_MISMATCH)

        return command

    return decorate


def fail(error: Exception, *, as_json: bool) -> None:
    """Ends the program with ``EXIT_ERROR`` and the error's message."""
    if as_json:
        click.echo(json.dumps({"error": {"type": type(error).__name__, "message": str(error)}}))
    else:
        click.echo(f"celosia: error: {error}", err=True)
    sys.exit(EXIT_ERROR)
