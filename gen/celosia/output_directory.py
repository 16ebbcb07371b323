# SPDX-License-Identifier: BSD-2-Clause
"""Writes a folder completely or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celosia.errors import OutputError


@contextmanager
def complete_directory(target: Path | str, *, marker: str) -> Iterator[Path]:
    """Yields a temporary folder beside ``target`` that becomes ``target`` when the block ends.

    If the block raises, the temporary folder vanishes and ``target`` stays as it was. A folder
    that stands at ``target`` is replaced if it is empty or holds a file called ``marker``, which
    tells that it was written by this function; other folders are never touched.

    Raises:
        OutputError: ``target`` is a file, or a folder with something else in it, or its parent
            cannot be written.
    """
    target = Path(os.path.abspath(target))
    _check_replaceable(target, marker)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written ({error.strerror}); choose another output folder"
        ) from None
    try:
        # mkdtemp makes a folder that only its owner can read; the result is an ordinary one.
        umask = os.umask(0)
        os.umask(umask)
        work.chmod(0o777 & ~umask)
        yield work
        _replace(work, target, marker)
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
    try:
        if not target.exists():
            work.rename(target)
            return
        # A folder with contents cannot be renamed onto, so the old one steps aside first.
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
            old = Path(aside) / "old"
            target.rename(old)
            try:
                work.rename(target)
            except OSError:
                old.rename(target)
                raise
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be replaced ({error.strerror}); choose another output folder"
        ) from None
