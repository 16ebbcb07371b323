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
)
from rich.table import Column

#: Called with the stage, what is done of it, how much there is to do (None: nobody knows), and
#: what is at work.
Advance: TypeAlias = Callable[[str, float, float | None, str], None]

#: Narrow enough that a line fits a terminal of 80 columns.
_DETAIL = Column(width=18, no_wrap=True, overflow="ellipsis")


@contextmanager
def progress_bars(
    titles: Mapping[str, str], units: Mapping[str, str] | None = None, *, quiet: bool
) -> Iterator[Advance]:
    """Yields a function that shows the progress of stages, a bar each.

    ``titles`` maps stages to what is shown; ``units`` says what is counted, where numbers are to be
    shown beside the bar. Where stderr is no terminal only the beginning of each stage is told; if
    ``quiet``, nothing is.
    """
    out = Console(stderr=True, quiet=quiet)
    bars: dict[str, TaskID] = {}
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=10),
        TaskProgressColumn(),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", markup=False, table_column=_DETAIL),
        console=out,
        disable=quiet or not out.is_terminal,
    )

    def advance(stage: str, done: float, total: float | None, detail: str) -> None:
        title = titles.get(stage, stage)
        if stage not in bars:
            bars[stage] = progress.add_task(title, total=total, counted="", detail="")
            if not out.is_terminal:
                out.print(f"{title} ...", highlight=False, markup=False)
        unit = (units or {}).get(stage)
        counted = f"{done:,.0f}/{total:,.0f} {unit}" if unit and total is not None else ""
        progress.update(bars[stage], completed=done, total=total, counted=counted, detail=detail)

    with progress:
        yield advance
