# SPDX-License-Identifier: BSD-2-Clause
"""Writes files completely or not at all, and says so where that is not possible."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celosia.errors import OutputError

_REMEDY = "make room there, or the folder writable"
#: What is written to see whether there is room for a result, if nobody knows its size.
_PROBE_BYTES = 1 << 16


@contextmanager
def disk_errors(where: Path | str, remedy: str) -> Iterator[None]:
    """Within this context errors of the operating system, as of a disk that is full or may not be
    written, become an OutputError that names ``where`` and says what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{where}: cannot be written: {error.strerror or error}; {remedy}"
        ) from None


def check_writable(folder: Path | str, size: int = _PROBE_BYTES, remedy: str = _REMEDY) -> None:
    """Raises OutputError unless a file of ``size`` bytes can be written into ``folder``: to be
    called before the work whose result it is for."""
    with (
        disk_errors(folder, remedy),
        tempfile.TemporaryFile(dir=folder) as file,
    ):
        file.write(bytes(size))
        file.flush()


def write_files(folder: Path | str, contents: Mapping[str, bytes]) -> None:
    """Writes files by name into ``folder``: each is there completely or, as all of them if there
    is no room, as it was before.

    Raises:
        OutputError: one cannot be written.
    """
    written: list[tuple[Path, Path]] = []
    folder = Path(folder)
    with disk_errors(folder, _REMEDY):
        try:
            for name, content in contents.items():
                handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
                written.append((Path(temporary), folder / name))
                with open(handle, "wb") as file:
                    file.write(content)
                # mkstemp's file is its owner's alone; the result is an ordinary one.
                Path(temporary).chmod(0o666 & ~_umask())
            for path, target in written:
                path.replace(target)
        finally:
            for path, _ in written:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def npy_bytes(array: npt.NDArray[Any]) -> bytes:
    """The contents of the ``.npy`` file of ``array``."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
