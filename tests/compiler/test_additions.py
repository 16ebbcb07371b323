# SPDX-License-Identifier: BSD-2-Clause
"""What takes several passes for its scales, on the program model and in LiteRT."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from celosia.compiler.compile import compile_graph
from celosia.graph.ir import Add, Graph
from celosia.passes import optimize
from celosia_hw.config import AcceleratorConfig
from celosia_sim.litert import run_litert
from celosia_sim.program_model import first_difference
from celosia_sim.random_models import addition_model, random_inputs, split_addition
from celosia_sim.reference import run
from celosia_sim.tflite_writer import ModelBuilder, per_tensor


@pytest.mark.parametrize("seed", range(2))
def test_residuals_of_several_passes(
    load: Callable[[bytes], Graph], random_config: Callable[[int], AcceleratorConfig], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    for number in range(10):
        model = addition_model(rng, split_addition(rng))
        graph = load(model)
        optimized = optimize(graph)
        assert sum(isinstance(op, Add) for op in optimized.ops) >= 3
        inputs = random_inputs(graph, number)
        found, wanted = run(graph, inputs), run_litert(model, inputs, graph.outputs)
        for tensor in graph.outputs:
            np.testing.assert_array_equal(found[tensor], wanted[tensor])
        image = compile_graph(optimized, random_config(20 * seed + number))
        assert first_difference(image, optimized, inputs, number) is None


def test_a_convolution_of_several_passes(
    load: Callable[[bytes], Graph], random_config: Callable[[int], AcceleratorConfig]
) -> None:
    """A scale of 2^-24: sums of 2^23 are halves of a step on either side of zero."""
    taps = 600
    builder = ModelBuilder()
    x = builder.input("x", (1, 2, 9, taps), per_tensor(1.0))
    weights = np.full((1, 1, 1, taps), 127, np.int8)
    weights[..., :8] = 1
    scales, output = per_tensor(2.0**-24), per_tensor(1.0, 7)
    y = builder.conv_2d(x, weights, np.array([1], np.int32), scales, output)
    builder.output(y)
    model = builder.build()
    graph = load(model)
    optimized = optimize(graph)
    assert [op.kind for op in optimized.ops] == ["Conv2D", "Conv2D"]
    pixels = np.zeros((2, 9, taps), np.int8)
    for row, half in enumerate((-(1 << 23), 1 << 23)):
        for column in range(9):
            whole, rest = divmod(half + column - 5, 127)
            share, more = divmod(whole, taps - 8)
            pixels[row, column, 8:] = share
            pixels[row, column, 8 : 8 + more] += 1
            pixels[row, column, 0] = rest
    inputs = {x: pixels[None]}
    wanted = run_litert(model, inputs, [y])[y]
    assert set(wanted.ravel().tolist()) == {6, 7, 8}
    np.testing.assert_array_equal(run(graph, inputs)[y], wanted)
    image = compile_graph(optimized, random_config(3))
    assert first_difference(image, optimized, inputs, 0) is None
