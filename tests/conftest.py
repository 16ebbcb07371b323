# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures and options shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden text files from what the code gives now, instead of comparing",
    )


@pytest.fixture(scope="session")
def mlperf_tiny() -> Path:
    """The folder with the MLPerf Tiny ``models`` and ``inputs``; skips where there is none."""
    given = os.environ.get("CELOSIA_MLPERF_TINY")
    folder = Path(given) if given else ROOT.parent / "shared" / "mlperf_tiny"
    if not (folder / "models").is_dir():
        source = "CELOSIA_MLPERF_TINY" if given else "../shared/mlperf_tiny"
        pytest.skip(
            f"MLPerf Tiny models are absent: {source} is no folder that holds 'models'; "
            "set CELOSIA_MLPERF_TINY to the folder that does"
        )
    return folder


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)`` compares text with ``golden/name`` beside the test's file.

    With ``--update-golden`` the file is written instead.
    """

    def check(name: str, text: str) -> None:
        file = request.path.parent / "golden" / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
            return
        assert file.is_file(), f"{file} is missing; run pytest with --update-golden to write it"
        assert text == file.read_text(encoding="utf-8")

    return check


@pytest.fixture
def run_block(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """``run_block(make, **parameters)`` simulates ``make(**parameters)`` with the cocotb tests of
    the test's own file: it holds both the pytest function and them."""
    from celosia_sim.rtl.block import Make, simulate_block

    def run(make: Make, **parameters: object) -> None:
        # The simulator's process imports the file by its name.
        monkeypatch.syspath_prepend(str(request.path.parent))
        simulate_block(make, module=request.path.stem, directory=tmp_path, parameters=parameters)

    return run
