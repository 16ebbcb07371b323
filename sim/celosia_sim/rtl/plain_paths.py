# SPDX-License-Identifier: BSD-2-Clause
"""Places whose paths make and shells take as they are.

GNU Make cannot work in a folder whose path has a space, and it and the shells that it starts give
other characters a meaning (``$``, ``#``, ``:``, quotes). A user's home folder can have any of them.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celosia.errors import ToolError

_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
#: Where temporary folders are, if the path of the one that the user has chosen is not plain.
_COMMON = ("/tmp", "/var/tmp")


@contextmanager
def plain_folder() -> Iterator[Path]:
    """A temporary folder with a plain path, which is removed behind this context.

    Raises:
        ToolError: there is no place for one.
    """
    for parent in (tempfile.gettempdir(), *_COMMON):
        if not _PLAIN.fullmatch(str(Path(parent).resolve())):
            continue
        try:
            temporary = tempfile.TemporaryDirectory(
                prefix="celosia-", dir=Path(parent).resolve(), ignore_cleanup_errors=True
            )
        except OSError:
            continue
        with temporary as name:
            yield Path(name)
        return
    raise ToolError(
        f"no folder to compile in: {tempfile.gettempdir()} has a character in its path that GNU "
        f"Make does not take, and {' and '.join(_COMMON)} cannot be written; set TMPDIR to a "
        "folder whose path has letters, digits and ._+- only"
    )
