# SPDX-License-Identifier: BSD-2-Clause
"""Keeps what of a compilation is the same for every design: objects and headers of Verilator.

Compiling them takes several seconds, most of the time that the build of a small design needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .toolchain import tool_context

#: Verilator's makefile puts OBJCACHE before each call of the compiler, whose last arguments are
#: ``-c -o OBJECT SOURCE``. Objects of Verilator's own sources are made as if this script were not
#: there, and kept. Sources of a design begin with a header of Verilator's that was compiled before.
_SCRIPT = """\
#!/bin/sh
kept=$(dirname "$0")
for source; do :; done
name=$(basename "$source" .cpp)
case "$source" in
    */include/verilated*.cpp)
        if ! [ -f "$kept/$name.o" ]; then
            "$@" || exit
            cp "$name.o" "$kept/$name.o.$$" && mv "$kept/$name.o.$$" "$kept/$name.o"
            exit
        fi
        exec cp "$kept/$name.o" "$name.o" ;;
esac
header="$kept/common.h.gch"
if ! [ -f "$header" ]; then
    command=${*%" -c -o "*}
    command="${command%" -MMD "*} ${command#*" -MMD "}"
    $command -x c++-header "$kept/common.h" -o "$header.$$" && mv "$header.$$" "$header" || exit
fi
exec "$@" -include "$kept/common.h"
"""
#: What Verilator's sources of a design, and cocotb's of a simulator, include first.
_HEADER = """\
#include "verilated.h"
#include "verilated_dpi.h"
#include "verilated_vpi.h"
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
    for path, text, mode in ((script, _SCRIPT, 0o755), (directory / "common.h", _HEADER, 0o644)):
        # Compiled headers that are older than their source count for nothing.
        if not path.exists() or path.read_text() != text:
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(text)
            temporary.chmod(mode)
            temporary.replace(path)
    link.symlink_to(directory.absolute())
    with tool_context(OBJCACHE=str(link / script.name)):
        yield
