# SPDX-License-Identifier: BSD-2-Clause
"""Generated sections of a page, each written by a script of its own."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def with_section(page: str, name: str, text: str) -> str:
    """``page`` with ``text`` as the section ``name``, in its old place or at the end.

    All else stays as it is. The section's borders are comments.

    Raises:
        ValueError: a section begins, but does not end.
    """
    begin = f"<!-- written by python -m benchmarks.{name} -->\n"
    end = f"<!-- end of benchmarks.{name} -->\n"
    section = begin + text.rstrip("\n") + "\n" + end
    before, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n{section}" if page.strip() else section
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page's section of benchmarks.{name} does not end")
    return before + section + after


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Writes ``text`` as the section ``name`` of ``page``."""
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    page.write_text(with_section(old, name, text), encoding="utf-8")
