# SPDX-License-Identifier: BSD-2-Clause
"""A folder is written completely or not at all, and nothing foreign is removed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from celosia.errors import OutputError
from celosia.output_directory import complete_directory

MARKER = "manifest.json"


def write(target: Path, text: str) -> None:
    with complete_directory(target, marker=MARKER) as work:
        (work / MARKER).write_text(text)
        (work / f"{text}.v").write_text(text)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_a_new_folder_appears_with_its_parents(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b", "first")
    assert names(tmp_path / "a" / "b") == {MARKER, "first.v"}
    assert names(tmp_path / "a") == {"b"}


def test_an_earlier_result_is_replaced_whole(tmp_path: Path) -> None:
    write(tmp_path / "out", "first")
    write(tmp_path / "out", "second")
    assert names(tmp_path / "out") == {MARKER, "second.v"}
    assert names(tmp_path) == {"out"}


def test_a_failure_leaves_the_earlier_result_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "out", "first")
    with (
        pytest.raises(RuntimeError, match="halfway"),
        complete_directory(tmp_path / "out", marker=MARKER) as work,
    ):
        (work / "half.v").write_text("half")
        assert names(tmp_path / "out") == {MARKER, "first.v"}
        raise RuntimeError("halfway")
    assert names(tmp_path / "out") == {MARKER, "first.v"}
    assert names(tmp_path) == {"out"}


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", "first")
    assert names(tmp_path / "out") == {MARKER, "first.v"}


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="is not empty and has no manifest.json"):
        write(tmp_path / "out", "first")
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"
    assert names(tmp_path) == {"out"}


def test_what_appears_meanwhile_is_not_removed(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with (
        pytest.raises(OutputError, match="is not empty"),
        complete_directory(target, marker=MARKER) as work,
    ):
        (work / MARKER).write_text("ours")
        target.mkdir()
        (target / "thesis.tex").write_text("years of work")
    assert names(target) == {"thesis.tex"}


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="exists and is not a folder"):
        write(tmp_path / "out", "first")
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "out" / "below", "first")
    assert (tmp_path / "out").read_text() == "a file"


def test_the_folder_has_ordinary_permissions(tmp_path: Path) -> None:
    write(tmp_path / "out", "first")
    (tmp_path / "ordinary").mkdir()
    assert os.stat(tmp_path / "out").st_mode == os.stat(tmp_path / "ordinary").st_mode


WRITER = """
import sys, time
from celosia.output_directory import complete_directory
with complete_directory(sys.argv[1], marker="manifest.json") as work:
    (work / "half.v").write_text("half")
    print(work, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is at writing ``tmp_path / "out"``."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert Path(process.stdout.readline().strip()).parent == tmp_path
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_a_killed_process_left_is_removed(
    tmp_path: Path, writer: subprocess.Popen[str]
) -> None:
    (tmp_path / ".out.mine").mkdir()
    (tmp_path / ".output.abcdefgh.celosia").mkdir()
    mine = {".out.mine", ".output.abcdefgh.celosia"}
    writer.kill()
    writer.wait()
    (left,) = names(tmp_path) - mine
    assert left.startswith(".out.")
    write(tmp_path / "out", "second")
    assert names(tmp_path) == mine | {"out"}


def test_what_a_running_process_writes_is_not_removed(
    tmp_path: Path, writer: subprocess.Popen[str]
) -> None:
    (left,) = names(tmp_path)
    write(tmp_path / "out", "second")
    assert names(tmp_path) == {left, "out"}
    assert names(tmp_path / left) == {"half.v"}


def test_a_failure_leaves_no_parents(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="out: cannot be written: No space left on device; make"),
        complete_directory(tmp_path / "a" / "b" / "out", marker=MARKER) as work,
    ):
        (work / "half.v").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(work))
    assert names(tmp_path) == set()
