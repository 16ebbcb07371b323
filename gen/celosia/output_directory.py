# SPDX-License-Identifier: BSD-2-Clause
"""Writes a folder completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celosia.errors import OutputError
from celosia.output_files import disk_errors

try:
    import fcntl
except ModuleNotFoundError:  # Windows: folders of killed processes stay
    fcntl = None  # type: ignore[assignment]

_REMEDY = "make room there, or choose another output folder"
#: How the names of temporary folders end.
_SUFFIX = ".celosia"


@contextmanager
def complete_directory(target: Path | str, *, marker: str) -> Iterator[Path]:
    """Yields a temporary folder beside ``target`` that becomes ``target`` when the block ends.

    If the block raises, the temporary folder vanishes and ``target`` stays as it was. A folder
    that stands at ``target`` is replaced if it is empty or holds a file called ``marker``, which
    tells that it was written by this function; other folders are never touched. Temporary folders
    of processes that were killed while they wrote the same ``target`` are removed.

    Raises:
        OutputError: ``target`` is a file, or a folder with something else in it, or its parent
            cannot be written, or (from the block, too) the disk is full.
    """
    target = Path(os.path.abspath(target))
    with disk_errors(target, _REMEDY):
        _check_replaceable(target, marker)
        with _parents(target.parent), _temporary(target) as work:
            # mkdtemp makes a folder that only its owner can read; the result is an ordinary one.
            umask = os.umask(0)
            os.umask(umask)
            work.chmod(0o777 & ~umask)
            yield work
            _replace(work, target, marker)


@contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """Makes ``folder``; if the block raises, what was made vanishes."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in made:
            with contextlib.suppress(OSError):  # somebody else uses it
                path.rmdir()
        raise


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` that is locked while the block lasts, so that nobody takes it for
    one whose process was killed."""
    with contextlib.ExitStack() as stack:
        # None is removed between its creation and its lock.
        with _locked(target.parent):
            _remove_stale(target)
            work = Path(
                tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_SUFFIX, dir=target.parent)
            )
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            stack.enter_context(_locked(work))
        yield work


def _remove_stale(target: Path) -> None:
    name = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}{re.escape(_SUFFIX)}")
    for folder in target.parent.iterdir():
        if fcntl is None or not name.fullmatch(folder.name) or folder.is_symlink():
            continue
        with contextlib.suppress(OSError):  # it is in use, gone, or another user's
            with _locked(folder, wait=False):
                shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Holds the lock of a folder, which ends with this process at the latest.

    Raises:
        OSError: the folder cannot be opened; or without ``wait``, somebody else holds its lock or
            there are no locks, as on some servers.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if not wait or error.errno not in (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK):
                raise
        yield
    finally:
        os.close(handle)


def _check_replaceable(target: Path, marker: str) -> None:
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise OutputError(f"{target}: exists and is not a folder; choose another output folder")
    if (target / marker).is_file() or not any(target.iterdir()):
        return
    raise OutputError(
        f"{target}: is not empty and has no {marker}, so Celosia did not write it; choose another "
        "output folder, or empty this one"
    )


def _replace(work: Path, target: Path, marker: str) -> None:
    # Checked again: what was written meanwhile by somebody else is not ours to remove.
    _check_replaceable(target, marker)
    if not target.exists():
        work.rename(target)
        return
    # A folder with contents cannot be renamed onto, so the old one steps aside first.
    with _temporary(target) as aside:
        old = aside / "old"
        target.rename(old)
        try:
            work.rename(target)
        except OSError:
            old.rename(target)
            raise
