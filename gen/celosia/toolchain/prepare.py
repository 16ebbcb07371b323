# SPDX-License-Identifier: BSD-2-Clause
"""Finds all tools of a family and lets each run once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from celosia.errors import ToolError

from .execute import run
from .tools import COMPILING, INSTALL, TOOLS_OF_FAMILY, Tool, find_tool
from .versions import OLDEST, QUESTION, parse_version


def prepare_tools(
    family: str, folder: Path, on_compile: Callable[[str], None] | None = None
) -> dict[str, Tool]:
    """The tools that build for ``family``, by name, each with its version.

    YoWASP's are compiled for this machine when they run for the first time. That takes up to some
    minutes; it happens here, before several of them run at once, and ``on_compile`` is told the
    tool's name.

    Args:
        family: ``ice40`` or ``ecp5``.
        folder: where the tools run, and where their answers are written.
        on_compile: called with a tool's name when it is compiled.

    Raises:
        ToolError: one is missing, too old, or does not run; all are looked for before one runs.
    """
    tools = {name: find_tool(name) for name in TOOLS_OF_FAMILY[family]}
    return {name: _with_version(tool, folder, on_compile) for name, tool in tools.items()}


def _with_version(tool: Tool, folder: Path, on_compile: Callable[[str], None] | None) -> Tool:
    if tool.version or (not tool.yowasp and OLDEST[tool.name] is None):
        return tool

    def on_line(line: str) -> None:
        if on_compile is not None and line.startswith(COMPILING):
            on_compile(tool.name)

    done = run(
        tool, QUESTION[tool.name], folder=folder, log=f"{tool.name}_version.log", on_line=on_line
    )
    found = parse_version(tool.name, done.output)
    if found is None and (OLDEST[tool.name] is not None or tool.name not in done.output):
        raise ToolError(
            f"{tool.name} ({tool.origin}) does not run: {done.reason}; {INSTALL} --force-reinstall "
            "may repair it"
        )
    return replace(tool, version=found[0] if found else "")
