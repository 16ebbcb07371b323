# SPDX-License-Identifier: BSD-2-Clause
"""What every tool that Celosia starts finds in its environment."""

from __future__ import annotations

import functools
import os
import shlex
import sys
import tempfile
from pathlib import Path


def tool_environment() -> dict[str, str]:
    """Environment variables that tools run with.

    In front of PATH is a folder with a ``python`` that is this one: Verilator's makefiles call it,
    and where a system has only ``python3`` there is no other.

    YoWASP's tools see the folder that they are started in, and only because of that files below the
    system's temporary folder: it has one of its own in that place. YOWASP_MOUNT would replace the
    folders they see.
    """
    environment = {name: value for name, value in os.environ.items() if name != "YOWASP_MOUNT"}
    folders = [str(_python_folder()), environment.get("PATH", "")]
    environment["PATH"] = os.pathsep.join(filter(None, folders))
    return environment


def _python_folder() -> Path:
    """The folder of a virtual environment's programs; else one with nothing but ``python``, so that
    a system's other programs stay in the order that its user has chosen."""
    folder = Path(sys.executable).parent
    if sys.prefix != sys.base_prefix and os.access(folder / "python", os.X_OK):
        return folder
    return Path(_own_folder().name)


@functools.cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    """Removed at the end of this process."""
    folder = tempfile.TemporaryDirectory(prefix="celosia-", ignore_cleanup_errors=True)
    program = Path(folder.name) / "python"
    # A script, because Python looks for its libraries near the name that it is called by.
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    program.chmod(0o755)
    return folder
