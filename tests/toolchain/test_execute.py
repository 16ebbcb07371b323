# SPDX-License-Identifier: BSD-2-Clause
"""Runs of a tool: its log, its errors, and how it is ended early."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from celosia.errors import ToolError
from celosia.toolchain.execute import Cancel, CancelledError, run, run_checked
from celosia.toolchain.tools import Tool


def python(code: str) -> Tool:
    """A tool that runs Python code."""
    return Tool("snake", (sys.executable, "-c", code), "native", "3")


def test_the_log_has_the_command_and_all_output(tmp_path: Path) -> None:
    code = "import sys, os; print(os.getcwd()); print(sys.argv[1:], file=sys.stderr); exit(3)"
    lines: list[str] = []
    done = run(python(code), ["-a", "b c"], folder=tmp_path, log="x.log", on_line=lines.append)
    assert done.code == 3
    assert sorted(lines) == sorted([f"{tmp_path}\n", "['-a', 'b c']\n"])
    assert done.output == "".join(lines)
    assert (tmp_path / "x.log").read_text() == f"$ snake -a 'b c'\n{done.output}"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("print('fine'); print('ERROR: no such pin'); print('bye'); exit(1)", "ERROR: no such pin"),
        ("print('1\\n2\\n3\\n4'); exit(1)", "2 / 3 / 4"),
        ("exit(7)", "exit code 7"),
        ("import os; os.write(1, b'error: \\xff\\n'); exit(1)", "error: \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_failure_tells_the_reason_and_the_log(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(ToolError) as caught:
        run_checked(python(code), [], folder=tmp_path, log="x.log")
    log = tmp_path / "x.log"
    assert str(caught.value) == f"snake failed: {message}; all of its output is in {log}"


def test_a_tool_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    tool = Tool("ghost", (str(tmp_path / "ghost"),), "native", "1")
    with pytest.raises(ToolError, match="ghost: cannot be started: No such file"):
        run(tool, [], folder=tmp_path, log="x.log")


def test_a_run_is_ended_from_another_thread(tmp_path: Path) -> None:
    cancel = Cancel()
    lines = []
    code = "import time; print('on', flush=True); time.sleep(60); print('off', flush=True)"

    def on_line(line: str) -> None:
        lines.append(line)
        threading.Thread(target=cancel.now).start()

    with pytest.raises(CancelledError):
        run(python(code), [], folder=tmp_path, log="x.log", on_line=on_line, cancel=cancel)
    assert lines == ["on\n"]
    # What begins later does not begin.
    with pytest.raises(CancelledError):
        run(python("exit(0)"), [], folder=tmp_path, log="y.log", cancel=cancel)


def test_an_interrupt_ends_the_tool(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    started = []

    def interrupt(line: str) -> None:
        started.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(python(code), [], folder=tmp_path, log="x.log", on_line=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)
