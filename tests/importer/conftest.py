# SPDX-License-Identifier: BSD-2-Clause
"""Imports models from bytes, and from single operators that must be refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from celosia.errors import ModelError
from celosia.graph.ir import DType, Graph, Quantization
from celosia.importer.tflite import load_tflite
from celosia_sim.tflite_writer import ModelBuilder, Options, per_tensor

#: The input of refused operators, and their output unless they say otherwise.
SHAPE = (1, 6, 5, 4)
INPUT = per_tensor(0.5, -3)
OUTPUT = per_tensor(0.25, 7)


@pytest.fixture
def load(tmp_path: Path) -> Callable[[bytes], Graph]:
    """``load(data)`` imports the bytes of a ``.tflite`` file."""

    def from_bytes(data: bytes) -> Graph:
        file = tmp_path / "model.tflite"
        file.write_bytes(data)
        return load_tflite(file)

    return from_bytes


def add_operator(
    builder: ModelBuilder,
    name: str,
    *constants: Any,
    shape: tuple[int, ...] = SHAPE,
    quantization: Quantization | None = OUTPUT,
    dtype: DType = DType.INT8,
    options: Options | None = None,
    version: int = 1,
) -> None:
    """A model of one operator on an image and constants.

    A constant is an array, a pair of an array and its quantization, or None for one left out.
    """
    inputs = [builder.input("image", SHAPE, INPUT)]
    for constant in constants:
        values, scales = constant if isinstance(constant, tuple) else (constant, None)
        inputs.append(-1 if values is None else builder.constant("constant", values, scales))
    result = builder.tensor("result", shape, quantization, dtype)
    builder.operator(name, inputs, [result], options, version)
    builder.output(result)


@pytest.fixture
def refused(load: Callable[[bytes], Graph]) -> Callable[..., None]:
    """``refused(message, name, *constants, ...)`` checks how that operator is refused."""

    def check(message: str, *args: Any, **kwargs: Any) -> None:
        builder = ModelBuilder()
        add_operator(builder, *args, **kwargs)
        with pytest.raises(ModelError, match=message) as caught:
            load(builder.build())
        assert "model.tflite: " in str(caught.value)
        assert all(problem.reason and problem.remedy for problem in caught.value.problems)

    return check
