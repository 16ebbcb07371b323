# SPDX-License-Identifier: BSD-2-Clause
"""The cycle model on an array that it was not calibrated with: 8x8 in block RAM.

The benchmark models on the arrays of boards are compared in test_mlperf_tiny.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from celosia.compiler.sizing import standard_config
from celosia.graph.ir import Graph
from celosia_hw.boards import get_board
from celosia_sim.network import Arrays, run_network
from celosia_sim.random_models import random_inputs
from celosia_sim.reference import run

#: Largest error of the prediction for a whole network.
TOLERANCE = 0.02


@pytest.mark.parametrize("name", ["kws_ref_model", "str_ww_ref_model"])
def test_prediction(mlperf_tiny: Path, name: str) -> None:
    board = get_board("ulx3s_45f")

    def samples(graph: Graph) -> list[Arrays]:
        return [random_inputs(graph, 0)]

    path = mlperf_tiny / "models" / f"{name}.tflite"
    result = run_network(path, standard_config(board, board.array), samples)
    (sample,) = samples(result.graph)
    expected = run(result.graph, sample)
    for tensor in result.graph.outputs:
        assert np.array_equal(result.outputs[0][tensor], expected[tensor])
    assert result.image.cycles == pytest.approx(result.cycles[0], rel=TOLERANCE)
