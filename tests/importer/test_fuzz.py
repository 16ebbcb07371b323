# SPDX-License-Identifier: BSD-2-Clause
"""Thousands of damaged files: an import succeeds or ends in a ModelError, quickly and small.

What succeeds has passed ``verify``, as every import does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import celosia
from celosia.errors import ModelError
from celosia.graph.ir import Activation, DType
from celosia.importer.modelfile import MAX_OPERATORS
from celosia.importer.tflite import load_tflite
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

SEED = 20260
WORKER = Path(__file__).with_name("fuzz_worker.py")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

IN = per_tensor(0.5, -3)
OUT = per_tensor(0.25, 7)


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(-127, 128, shape).astype(np.int8)


def images() -> bytes:
    """Convolutions, pools, sums and paddings."""
    builder = ModelBuilder()
    x = builder.input("x", (1, 8, 7, 3), per_tensor(0.5, 128), DType.UINT8)
    y = builder.quantize(x, IN)
    bias = np.arange(4, dtype=np.int32)
    scales = per_channel([0.01, 0.02, 0.03, 0.04])
    y = builder.conv_2d(y, weights(4, 3, 3, 3), bias, scales, OUT, activation=Activation.RELU6)
    z = builder.depthwise_conv_2d(
        y, weights(1, 3, 2, 4), bias, per_channel([0.01] * 4, 3), OUT, dilation=(2, 2)
    )
    y = builder.add(y, z, OUT, activation=Activation.RELU)
    y = builder.pad(y, ((0, 0), (1, 0), (0, 1), (0, 0)))
    y = builder.max_pool_2d(y, window=(2, 2), stride=(2, 2), padding="SAME")
    y = builder.average_pool_2d(y, window=(2, 2))
    y = builder.concatenation([y, y])
    builder.output(builder.mean(y, output=IN))
    return builder.build()


def vectors() -> bytes:
    """Dense layers, reshapes and functions."""
    builder = ModelBuilder()
    x = builder.input("x", (1, 4, 1, 3), dtype=DType.FLOAT32)
    y = builder.squeeze(builder.quantize(x, IN), [2])
    y = builder.reshape(builder.expand_dims(y, 1), (1, -1))
    y = builder.fully_connected(y, weights(5, 12), np.zeros(5, np.int32), per_tensor(0.01), OUT)
    y = builder.add(y, builder.constant("c", weights(5), IN), OUT)
    y = builder.relu_n1_to_1(builder.relu6(builder.relu(y, OUT), OUT), OUT)
    y = builder.hard_swish(builder.leaky_relu(y, IN, alpha=0.125), IN)
    y = builder.quantize(builder.tanh(builder.logistic(y)), OUT)
    y = builder.fully_connected(y, weights(3, 5), None, per_channel([0.1, 0.2, 0.3]), OUT)
    builder.output(builder.dequantize(builder.softmax(y)))
    return builder.build()


def run(count: int, *files: Path) -> dict[str, Any]:
    """The worker's report on ``count`` variants of each file."""
    packages = Path(celosia.__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(packages), *sys.path])}
    done = subprocess.run(
        [sys.executable, str(WORKER), str(SEED), str(count), *map(str, files)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["failures"] == []
    assert report["accepted"] + report["refused"] == count * len(files)
    return report


@pytest.mark.long
def test_small_models(tmp_path: Path) -> None:
    files = []
    for make in (images, vectors):
        files.append(tmp_path / f"{make.__name__}.tflite")
        files[-1].write_bytes(make())
    files += sorted(EXAMPLES.glob("*/*.tflite"))
    report = run(1500, *files)
    # Both happen often, or the mutations test nothing.
    assert report["accepted"] > 200
    assert report["refused"] > 2000


@pytest.mark.long
def test_benchmark_models(mlperf_tiny: Path) -> None:
    report = run(300, *sorted((mlperf_tiny / "models").glob("*.tflite")))
    assert report["accepted"] > 100
    assert report["refused"] > 1000


@pytest.mark.parametrize("make", [images, vectors])
def test_seeds_are_valid(make: Callable[[], bytes], tmp_path: Path) -> None:
    """The models that are mutated import, or their variants would not reach deep."""
    file = tmp_path / "seed.tflite"
    file.write_bytes(make())
    assert load_tflite(file).ops


def test_every_truncation(tmp_path: Path) -> None:
    """Any beginning of a file is refused."""
    data = vectors()
    file = tmp_path / "short.tflite"
    # The last bytes are padding or the contents of the constant that comes last.
    for length in range(0, len(data) - 64, 7):
        file.write_bytes(data[:length])
        with pytest.raises(ModelError):
            load_tflite(file)


def test_shared_constants_are_bounded(tmp_path: Path) -> None:
    """A small file whose many operators all name the same large constants."""
    builder = ModelBuilder()
    y = builder.input("x", (1, 1, 1, 1), IN)
    large = builder.constant("w", np.ones((60000, 1, 1, 1), np.int8), per_channel([0.01] * 60000))
    many = builder.tensor("y", (1, 1, 1, 60000), OUT)
    options = builder.conv_2d(y, np.ones((1, 1, 1, 1), np.int8), None, per_tensor(0.01), OUT)
    operator = builder._operators[0]
    for _ in range(MAX_OPERATORS - 1):
        builder.operator("CONV_2D", [y, large], [many], operator.options)
    builder.output(options)
    file = tmp_path / "shared.tflite"
    file.write_bytes(builder.build())
    with pytest.raises(ModelError, match="with this operator the constants exceed"):
        load_tflite(file)
