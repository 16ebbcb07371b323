# SPDX-License-Identifier: BSD-2-Clause
"""The MLPerf Tiny models give on the accelerator's Verilog the bytes of LiteRT's reference kernels.

person_detect, which LiteRT refuses to load, is compared with the integer reference.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from celosia.compiler.sizing import size_config
from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.boards import get_board
from celosia_hw.config import AcceleratorConfig
from celosia_sim.litert import run_litert
from celosia_sim.mlperf_tiny import real_inputs
from celosia_sim.network import Arrays, run_network
from celosia_sim.reference import run

#: Clock cycles that a network may take at most.
REQUIRED = {
    "pretrainedResnet_quant": (1_000_000, 140_000),
    "kws_ref_model": (300_000, 50_000),
    "vww_96_int8": (450_000, 90_000),
    "str_ww_ref_model": (100_000, 20_000),
    "ad01_int8": (560_000, 6_000),
}
MODELS = [*REQUIRED, "person_detect"]
#: No board: 2x8 would need wider SPRAM than an UP5K has.
ODD = AcceleratorConfig(
    output_channels=2,
    input_channels=8,
    chain_rows=2,
    scratch_bytes=1 << 18,
    scratch_single_port=False,
    accumulator_bits=26,
    multiplier_bits=30,
    requantize_lanes=2,
)
TARGETS = {
    "4x4": ("icebreaker", (4, 4), 5),
    "8x16": ("ulx3s_85f", (8, 16), 2),
    "2x8": (None, None, 2),
}


@pytest.mark.parametrize("array", TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_model(name: str, array: str, mlperf_tiny: Path) -> None:
    path = mlperf_tiny / "models" / f"{name}.tflite"
    board, shape, count = TARGETS[array]
    config = ODD
    if board is not None:
        config = size_config(optimize(load_tflite(path)), get_board(board), shape)

    def samples(graph: Graph) -> list[Arrays]:
        chosen = real_inputs(mlperf_tiny, graph, count)
        tensor = graph.tensors[graph.inputs[0]]
        rng = np.random.default_rng(len(name))
        while len(chosen) < (2 if chosen else count):
            # There are no recordings for the streaming wake word, and two pictures of persons.
            chosen.append(rng.integers(-128, 128, tensor.shape).astype(np.int8))
        return [{graph.inputs[0]: sample} for sample in chosen]

    result = run_network(path, config, samples)
    graph = result.graph
    for sample, outputs in zip(samples(graph), result.outputs, strict=True):
        if name == "person_detect":
            expected = run(graph, sample)
        else:
            expected = run_litert(path.read_bytes(), sample, graph.outputs)
        for tensor in graph.outputs:
            assert outputs[tensor].dtype == expected[tensor].dtype
            assert np.array_equal(outputs[tensor], expected[tensor])
    # A stream from outside may be a few cycles early or late; nothing else depends on the data.
    assert max(result.cycles) - min(result.cycles) <= (10 if result.external else 0)
    # The prediction was calibrated on the arrays of boards.
    error = 0.02 if board is not None else 0.05
    assert result.image.cycles == pytest.approx(result.cycles[0], rel=error)
    if name in REQUIRED and array != "2x8":
        assert result.cycles[0] <= REQUIRED[name][array == "8x16"]
