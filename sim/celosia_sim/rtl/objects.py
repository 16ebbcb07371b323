# SPDX-License-Identifier: BSD-2-Clause
"""Keeps the objects of Verilator's own sources, which are the same for every design.

Compiling them takes several seconds, most of the time that the build of a small design needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .toolchain import tool_context

#: Verilator's makefile puts OBJCACHE before each call of the compiler. The last argument is the
#: source; the objects of all others are named and made as if this script were not there.
_SCRIPT = """\
#!/bin/sh
for source; do :; done
name=$(basename "$source" .cpp)
case "$source" in
    */include/verilated*.cpp) ;;
    *) exec "$@" ;;
esac
kept="$(dirname "$0")/$name.o"
if ! [ -f "$kept" ]; then
    "$@" || exit
    cp "$name.o" "$kept.$$" && mv "$kept.$$" "$kept"
    exit
fi
cp "$kept" "$name.o"
"""


@contextmanager
def kept_objects(directory: Path, link: Path) -> Iterator[None]:
    """Within this context Verilator's objects come from ``directory``; make sees it as ``link``.

    The folder belongs to one set of tools and options. A cache that the user has chosen with
    OBJCACHE, such as ccache, is left to do its work.
    """
    if "OBJCACHE" in os.environ:
        yield
        return
    directory.mkdir(parents=True, exist_ok=True)
    script = directory / "objcache"
    temporary = directory / f"objcache.{os.getpid()}"
    temporary.write_text(_SCRIPT)
    temporary.chmod(0o755)
    temporary.replace(script)
    link.symlink_to(directory.absolute())
    with tool_context(OBJCACHE=str(link / script.name)):
        yield
