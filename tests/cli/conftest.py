# SPDX-License-Identifier: BSD-2-Clause
"""Runs the command line within the test's process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result

import celosia
from celosia.cli.app import celosia as command

Run: TypeAlias = Callable[..., Result]

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


@pytest.fixture
def run() -> Run:
    """``run(*arguments)`` is the result of ``celosia arguments``; only SystemExit ends it."""

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(command, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture(scope="session")
def digits() -> Path:
    """The folder of the example: ``digits.tflite``, ``images.npy``."""
    return DIGITS


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """The example, generated for a small array. To be read only."""
    folder = tmp_path_factory.mktemp("generated") / "small"
    celosia.generate(digits / "digits.tflite", board="icebreaker", array=(2, 2), output=folder)
    return folder


@pytest.fixture
def quick_verilog(monkeypatch: pytest.MonkeyPatch) -> None:
    """``generate`` takes a moment; for what is not about the Verilog."""
    monkeypatch.setattr("celosia_hw.verilog.to_verilog", lambda config: "// short\n")
