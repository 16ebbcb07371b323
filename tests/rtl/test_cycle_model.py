# SPDX-License-Identifier: BSD-2-Clause
"""The cycle model predicts what the hardware takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celosia.compiler.sizing import standard_config
from celosia.graph.ir import Graph
from celosia_hw.boards import get_board
from celosia_sim.random_models import random_inputs
from celosia_sim.reference import run

MODELS = ("pretrainedResnet_quant", "kws_ref_model", "vww_96_int8", "str_ww_ref_model")
#: Largest error of the prediction for a whole network.
TOLERANCE = 0.02


@pytest.mark.parametrize("board", ["icebreaker", "ulx3s_85f"])
@pytest.mark.parametrize("name", MODELS)
def test_prediction(
    mlperf_tiny: Path, name: str, board: str, on_hardware: Callable[..., Any]
) -> None:
    found = get_board(board)

    def samples(graph: Graph) -> list[dict[int, np.ndarray]]:
        return [random_inputs(graph, 0)]

    path = mlperf_tiny / "models" / f"{name}.tflite"
    result = on_hardware(path, standard_config(found, found.array), samples)
    (sample,) = samples(result.graph)
    expected = run(result.graph, sample)
    for tensor in result.graph.outputs:
        assert np.array_equal(result.outputs[0][tensor], expected[tensor])
    measured = result.cycles[0]
    assert abs(result.image.cycles - measured) <= TOLERANCE * measured
