# SPDX-License-Identifier: BSD-2-Clause
"""Runs a tool in a folder, with its output in a log."""

from __future__ import annotations

import shlex
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from celosia.errors import ToolError

from .environment import tool_environment
from .tools import Tool

#: Lines of the output that a message of failure shows at most, if no line says that it is an error.
_SHOWN = 3


class CancelledError(Exception):
    """A run was ended because its result is not needed any more."""


class Cancel:
    """Ends runs from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._process: subprocess.Popen[str] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`now` was called."""
        return self._cancelled

    def now(self) -> None:
        """Ends the run that is under way, and those that begin later."""
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                self._process.kill()

    def start(self, command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
        """Starts a process that :meth:`now` ends."""
        with self._lock:
            if self._cancelled:
                raise CancelledError
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=tool_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            return self._process


@dataclass(frozen=True)
class Finished:
    """A run that ended: its exit code and its output."""

    code: int
    output: str

    @property
    def reason(self) -> str:
        """The errors in the output, or its last lines."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")]
        return " / ".join(errors or lines[-_SHOWN:]) or f"exit code {self.code}"


def run(
    tool: Tool,
    arguments: Sequence[str],
    *,
    folder: Path,
    log: str,
    on_line: Callable[[str], None] | None = None,
    cancel: Cancel | None = None,
) -> Finished:
    """Runs ``tool`` in ``folder`` and waits for its end.

    All files that arguments name must be relative to ``folder``: that is what YoWASP's tools see.

    Args:
        tool: the tool.
        arguments: its arguments.
        folder: where it runs.
        log: name of a file in ``folder`` for the command and all output.
        on_line: called with each line of output.
        cancel: ends the run early.

    Raises:
        CancelledError: ``cancel`` ended it.
        ToolError: the tool cannot be started.
    """
    cancel = cancel or Cancel()
    if cancel.cancelled:
        raise CancelledError
    lines = []
    with (folder / log).open("w", encoding="utf-8") as file:
        file.write(f"$ {shlex.join([tool.name, *arguments])}\n")
        try:
            process = cancel.start([*tool.command, *arguments], folder)
        except OSError as error:
            raise ToolError(f"{tool.name}: cannot be started: {error.strerror}") from None
        try:
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                lines.append(line)
                if on_line is not None:
                    on_line(line)
            code = process.wait()
        finally:
            # On an interrupt the tool must not go on alone.
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
    if cancel.cancelled:
        raise CancelledError
    return Finished(code, "".join(lines))


def run_checked(
    tool: Tool,
    arguments: Sequence[str],
    *,
    folder: Path,
    log: str,
    on_line: Callable[[str], None] | None = None,
) -> Finished:
    """As :func:`run`, and any exit code but 0 is an error.

    Raises:
        ToolError: the tool cannot be started, or fails.
    """
    done = run(tool, arguments, folder=folder, log=log, on_line=on_line)
    if done.code != 0:
        raise ToolError(
            f"{tool.name} failed: {done.reason}; all of its output is in {folder / log}"
        )
    return done
