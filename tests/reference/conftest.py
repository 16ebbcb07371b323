# SPDX-License-Identifier: BSD-2-Clause
"""Models of a few operators, run by LiteRT's reference kernels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia_sim.litert import run_litert
from celosia_sim.tflite_writer import ModelBuilder

AnyArray: TypeAlias = npt.NDArray[Any]


@pytest.fixture
def litert() -> Callable[[ModelBuilder, int, AnyArray], AnyArray]:
    """``litert(model, tensor, x)``: what LiteRT computes for a tensor; the input is tensor 0.

    The tensor becomes an output of the model.
    """
    pytest.importorskip("ai_edge_litert", reason="LiteRT is the reference; install celosia[all]")

    def compute(model: ModelBuilder, tensor: int, x: AnyArray) -> AnyArray:
        model.output(tensor)
        return run_litert(model.build(), {0: x}, [tensor])[tensor]

    return compute


@pytest.fixture
def imported(tmp_path: Path) -> Callable[[bytes], Graph]:
    """``imported(data)``: the graph of a model file."""

    def load(data: bytes) -> Graph:
        path = tmp_path / "model.tflite"
        path.write_bytes(data)
        return load_tflite(path)

    return load


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2024)
