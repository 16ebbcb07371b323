# SPDX-License-Identifier: BSD-2-Clause
"""The cycle model on an array that it was not calibrated with: 8x8 in block RAM; and on what the
benchmark models do not have: weights that stream from the scratchpad, many additions.

The benchmark models on the arrays of boards are compared in test_mlperf_tiny.py.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from celosia.compiler.compile import compile_graph
from celosia.compiler.sizing import size_config, standard_config
from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.boards import get_board
from celosia_hw.isa import Source
from celosia_hw.verilog import to_verilog
from celosia_sim.accelerator import job_for
from celosia_sim.network import Arrays, run_network
from celosia_sim.random_models import random_inputs
from celosia_sim.reference import run
from celosia_sim.rtl.build import build
from celosia_sim.rtl.run import run_job
from celosia_sim.tflite_writer import ModelBuilder, per_tensor

#: Largest error of the prediction for a whole network.
TOLERANCE = 0.02
#: The same for networks of nothing else than what is hard to predict.
STRESSED = 0.03


def network(seed: int) -> tuple[ModelBuilder, np.random.Generator]:
    return ModelBuilder(), np.random.default_rng(seed)


def dense(seed: int) -> bytes:
    """Fully connected layers with more weights than the weight memory of an UP5K holds."""
    builder, rng = network(seed)
    sizes = [4 * int(n) for n in rng.integers(20, 49, 7)]
    x = builder.input("x", (1, sizes[0]), per_tensor(0.05, -3))
    for inputs, outputs in pairwise(sizes):
        weights = rng.integers(-100, 101, (outputs, inputs)).astype(np.int8)
        bias = rng.integers(-500, 500, outputs).astype(np.int32)
        scale = per_tensor(float(0.02 / np.sqrt(inputs)))
        x = builder.fully_connected(x, weights, bias, scale, per_tensor(0.05, 4))
    builder.output(x)
    return builder.build()


def additions(seed: int) -> bytes:
    """Residuals of convolutions, and constants added to images of any number of channels."""
    builder, rng = network(seed)
    x = builder.input("x", (1, *map(int, rng.integers(5, 10, 2)), 5), per_tensor(0.05, -3))
    for number, channels in enumerate(map(int, rng.integers(3, 41, 5))):
        weights = rng.integers(-100, 101, (channels, 1, 1, builder.shape(x)[3])).astype(np.int8)
        bias = rng.integers(-500, 500, channels).astype(np.int32)
        x = builder.conv_2d(x, weights, bias, per_tensor(0.005), per_tensor(0.05, -3))
        for name in ("k", "j"):
            values = rng.integers(-128, 128, channels).astype(np.int8)
            constant = builder.constant(f"{name}{number}", values, per_tensor(0.05, 2))
            x = builder.add(x, constant, per_tensor(0.05, -3))
    builder.output(x)
    return builder.build()


@pytest.mark.parametrize(
    ("board", "array", "model", "seed"),
    [
        ("icebreaker", (4, 4), dense, 1),
        ("icebreaker", (4, 4), dense, 2),
        ("icebreaker", (4, 4), additions, 3),
        ("ulx3s_25f", (4, 4), additions, 4),
        ("ulx3s_25f", (4, 4), additions, 5),
    ],
)
def test_streams_and_additions(
    board: str, array: tuple[int, int], model: Callable[[int], bytes], seed: int, tmp_path: Path
) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(model(seed))
    graph = optimize(load_tflite(file))
    config = size_config(graph, get_board(board), array)
    image = compile_graph(graph, config)
    assert (image.usage["weight_source"] == Source.SCRATCH) == (model is dense)
    inputs = [random_inputs(graph, seed)[port.tensor] for port in image.inputs]
    (result,) = run_job(build(to_verilog(config), toplevel="celosia"), job_for(image, [inputs]))
    assert image.cycles == pytest.approx(result.cycles, rel=STRESSED)


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
