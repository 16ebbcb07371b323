# SPDX-License-Identifier: BSD-2-Clause
"""Every tensor of random models against LiteRT; a longer run: benchmarks/compare_with_litert.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from celosia.graph.ir import ArrayOp, Conv2D, DepthwiseConv2D, Graph, Op
from celosia_sim.litert import run_litert
from celosia_sim.random_models import OPERATORS, random_inputs, random_model, random_operator
from celosia_sim.reference import run

MODELS, CHUNK = 2400, 100
Import = Callable[[bytes], Graph]


@pytest.mark.parametrize("first", range(0, MODELS, CHUNK))
def test_every_tensor_equals_litert(imported: Import, first: int) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is the reference; install celosia[all]")
    for seed in range(first, first + CHUNK):
        model = random_model(seed)
        graph = imported(model)
        inputs = random_inputs(graph, seed)
        found = run(graph, inputs, keep=True)
        wanted = run_litert(model, inputs, list(found))
        for number, array in found.items():
            what = f"seed {seed}, tensor {number} {graph.tensors[number].name}"
            assert array.dtype == wanted[number].dtype, what
            np.testing.assert_array_equal(array, wanted[number], err_msg=what)


def test_models_depend_on_the_seed_alone() -> None:
    assert random_model(41) == random_model(41)
    assert len({random_model(seed) for seed in range(60)}) == 60


def test_unknown_operator() -> None:
    with pytest.raises(ValueError, match="operator must be one of .* not 'SUB'"):
        random_operator("SUB", 0)


def graphs(imported: Import, count: int, size: int = 1) -> list[Graph]:
    return [imported(random_model(seed, size)) for seed in range(count)]


@pytest.mark.parametrize("size", [1, 3])
def test_models_keep_within_their_size(imported: Import, size: int) -> None:
    for graph in graphs(imported, 300, size):
        for op in graph.ops:
            output = graph.tensors[op.output].shape
            assert np.prod(output) <= 1500 * size
            assert products(op) * np.prod(output) <= 16_000 * size


def products(op: Op) -> int:
    """Products for each output element."""
    match op:
        case Conv2D():
            return int(op.weights[0].size)
        case DepthwiseConv2D():
            return int(op.weights[..., 0].size)
    return 1


def test_models_reach_what_is_rare(imported: Import) -> None:
    """Each of these is so likely that its absence means that the generator lost it."""
    seen: Counter[str] = Counter()
    for graph in graphs(imported, 1200):
        for op in graph.ops:
            seen.update(features(op))
            if isinstance(op, ArrayOp) and hasattr(op, "activation"):
                seen[f"{op.kind} {op.activation.value}"] += 1
    for kind in (
        "Conv2D",
        "DepthwiseConv2D",
        "FullyConnected",
        "AveragePool2D",
        "MaxPool2D",
        "Add",
    ):
        for activation in ("none", "relu", "relu6", "relu_n1_to_1"):
            assert seen[f"{kind} {activation}"] >= 3, (kind, activation)
    for feature in (
        "strides", "dilation", "both", "asymmetric", "dead", "several scales", "depth multiplier",
        "bias beyond 24 bits",
    ):  # fmt: skip
        assert seen[feature] >= 3, feature


def features(op: Op) -> list[str]:
    if not isinstance(op, Conv2D | DepthwiseConv2D):
        return []
    padding = op.padding
    filters = op.weights if isinstance(op, Conv2D) else np.moveaxis(op.weights, -1, 0)
    present = {
        "strides": op.stride != (1, 1),
        "dilation": op.dilation != (1, 1),
        "both": op.stride != (1, 1) and op.dilation != (1, 1),
        "asymmetric": padding.top != padding.bottom or padding.left != padding.right,
        "dead": bool(np.any(np.all(filters == 0, axis=(1, 2) if filters.ndim == 3 else (1, 2, 3)))),
        "several scales": len(set(op.weight_scales)) > 1,
        "depth multiplier": isinstance(op, DepthwiseConv2D) and op.multiplier > 1,
        "bias beyond 24 bits": bool(np.any(np.abs(op.bias.astype(np.int64)) >> 24)),
    }
    return [name for name, here in present.items() if here]


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_operator_has_models(imported: Import, operator: str) -> None:
    outputs: set[bytes] = set()
    for seed in range(6):
        graph = imported(random_operator(operator, seed))
        values = run(graph, random_inputs(graph, seed))
        outputs.update(array.tobytes() for array in values.values())
    assert len(outputs) > 1
