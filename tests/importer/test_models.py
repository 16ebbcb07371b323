# SPDX-License-Identifier: BSD-2-Clause
"""The MLPerf Tiny models and person_detect import, with everything in the golden text."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from celosia.graph.ir import DepthwiseConv2D
from celosia.graph.statistics import statistics
from celosia.graph.text import to_text
from celosia.importer.tflite import load_tflite

MODELS = (
    "ad01_int8",
    "kws_ref_model",
    "person_detect",
    "pretrainedResnet_quant",
    "str_ww_ref_model",
    "vww_96_int8",
)


@pytest.mark.parametrize("name", MODELS)
def test_golden(name: str, mlperf_tiny: Path, golden: Callable[[str, str], None]) -> None:
    graph = load_tflite(mlperf_tiny / "models" / f"{name}.tflite")
    assert graph.name == name
    golden(f"{name}.txt", to_text(graph))


@pytest.mark.parametrize(
    ("name", "macs", "weights"),
    [
        ("ad01_int8", 264_192, 264_192),
        ("kws_ref_model", 2_656_768, 22_016),
        ("pretrainedResnet_quant", 12_501_632, 77_360),
        ("str_ww_ref_model", 826_368, 46_040),
        ("vww_96_int8", 7_489_664, 208_112),
    ],
)
def test_statistics(name: str, macs: int, weights: int, mlperf_tiny: Path) -> None:
    """The benchmark's known figures."""
    rows = statistics(load_tflite(mlperf_tiny / "models" / f"{name}.tflite"))
    assert sum(row.macs for row in rows) == macs
    assert sum(row.weight_bytes for row in rows) == weights


def test_dead_channels(mlperf_tiny: Path) -> None:
    rows = statistics(load_tflite(mlperf_tiny / "models" / "vww_96_int8.tflite"))
    assert sum(row.zero_weights for row in rows) == 172_258
    assert sum(row.dead_channels for row in rows) > 0


def test_old_export(mlperf_tiny: Path) -> None:
    """The biases of person_detect name a quantized dimension that does not exist."""
    graph = load_tflite(mlperf_tiny / "models" / "person_detect.tflite")
    first = graph.ops[0]
    assert isinstance(first, DepthwiseConv2D)
    assert first.multiplier == 8
    assert first.weights.shape == (3, 3, 8)


def test_constants_are_views(mlperf_tiny: Path) -> None:
    graph = load_tflite(mlperf_tiny / "models" / "kws_ref_model.tflite")
    for op in graph.ops:
        if isinstance(op, DepthwiseConv2D):
            assert op.weights.base is not None
            assert not op.weights.flags.writeable
            assert op.bias.dtype == np.int32


def test_is_fast(mlperf_tiny: Path) -> None:
    """Far below a second for the model with the most operators, so that nothing is quadratic."""
    file = mlperf_tiny / "models" / "vww_96_int8.tflite"
    load_tflite(file)
    start = time.process_time()
    load_tflite(file)
    assert time.process_time() - start < 0.3
