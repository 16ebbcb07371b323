# SPDX-License-Identifier: BSD-2-Clause
"""Progress bars on stderr, for what takes longer than a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

#: Called with the stage, what is done of it, and how much there is to do (None: nobody knows).
Advance: TypeAlias = Callable[[str, float, float | None], None]


@contextmanager
def progress_bars(
    titles: Mapping[str, str], units: Mapping[str, str] | None = None, *, quiet: bool
) -> Iterator[Advance]:
    """Yields a function that shows the progress of stages, a bar each.

    ``titles`` maps stages to what is shown; ``units`` says what is counted, where numbers are to
    be shown beside the bar. Where stderr is no terminal only the beginning of each
    stage is told; if ``quiet``, nothing is.
    """
    out = Console(stderr=True, quiet=quiet)
    bars: dict[str, TaskID] = {}
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=out,
        disable=quiet or not out.is_terminal,
    )

    def advance(stage: str, done: float, total: float | None) -> None:
        title = titles.get(stage, stage)
        if stage not in bars:
            bars[stage] = progress.add_task(title, total=total, counted="")
            if not out.is_terminal:
                out.print(f"{title} ...", highlight=False, markup=False)
        unit = (units or {}).get(stage)
        counted = f"{done:,.0f} of {total:,.0f} {unit}" if unit and total is not None else ""
        progress.update(bars[stage], completed=done, total=total, counted=counted)

    with progress:
        yield advance
