# SPDX-License-Identifier: BSD-2-Clause
"""How a primitive's test runs: its file holds the pytest function and the cocotb tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from celosia_sim.models import library
from celosia_sim.rtl.block import Make, simulate_block


@pytest.fixture
def run_block(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """``run_block(make, family, **parameters)`` runs the file's cocotb tests on
    ``make(**parameters)``, with the cells of ``family`` at hand (None: of no family)."""

    def run(make: Make, family: str | None, /, **parameters: object) -> None:
        # The simulator's process imports the file by its name.
        monkeypatch.syspath_prepend(str(request.path.parent))
        simulate_block(
            make,
            module=request.path.stem,
            directory=tmp_path,
            parameters=parameters,
            library=library(family) if family is not None else "",
        )

    return run
