# SPDX-License-Identifier: BSD-2-Clause
"""How a block test runs: the file with the pytest function also holds the cocotb tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from celosia_sim.rtl.block import Make, simulate_block


@pytest.fixture
def run_block(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """``run_block(make, **parameters)`` runs the file's cocotb tests on ``make(**parameters)``."""

    def run(make: Make, **parameters: object) -> None:
        # The simulator's process imports the file by its name.
        monkeypatch.syspath_prepend(str(request.path.parent))
        simulate_block(make, module=request.path.stem, directory=tmp_path, parameters=parameters)

    return run
