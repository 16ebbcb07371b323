# SPDX-License-Identifier: BSD-2-Clause
"""Imports models from bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from celosia.graph.ir import Graph
from celosia.importer.tflite import load_tflite


@pytest.fixture
def load(tmp_path: Path) -> Callable[[bytes], Graph]:
    """``load(data)`` imports the bytes of a ``.tflite`` file."""

    def from_bytes(data: bytes) -> Graph:
        file = tmp_path / "model.tflite"
        file.write_bytes(data)
        return load_tflite(file)

    return from_bytes
