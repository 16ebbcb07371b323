# SPDX-License-Identifier: BSD-2-Clause
"""Residuals whose scales are simple fractions, on the program model and in LiteRT."""

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
