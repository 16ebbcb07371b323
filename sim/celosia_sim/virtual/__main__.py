# SPDX-License-Identifier: BSD-2-Clause
"""``python -m celosia_sim.virtual WORK``: the process of a virtual board."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from celosia.errors import CelosiaError

from ..rtl.run import run_bench
from .board import TOPLEVEL
from .settings import Settings


def main() -> int:
    work = Path(sys.argv[1])
    settings = Settings.load(work)
    try:
        run_bench(
            Path(settings.built),
            toplevel=TOPLEVEL,
            module="celosia_sim.virtual.bench",
            directory=work,
            environment={"CELOSIA_BOARD": str(work), "CELOSIA_BOARD_OWNER": str(os.getppid())},
        )
    except CelosiaError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
