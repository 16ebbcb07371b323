# SPDX-License-Identifier: BSD-2-Clause
"""All passes in order, on random models and on the benchmark models."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from celosia.graph.ir import Array, Graph, TensorId
from celosia.graph.statistics import statistics
from celosia.graph.verify import GraphError, verify
from celosia.importer.tflite import load_tflite
from celosia.passes import optimize
from celosia.passes.pipeline import FUSE, SIMPLIFY, run
from celosia.passes.ranges import accumulator_bounds, tensor_ranges
from celosia.passes.requantization import single_rounding
from celosia.passes.rewrite import has_weights
from celosia_sim import reference
from celosia_sim.random_models import random_graph, random_inputs, random_model

#: Random models in this many groups of this many each.
GROUPS, SEEDS = 4, 80

Sample = dict[TensorId, Array]


def assert_same(graph: Graph, sample: Sample, expected: Sample, where: str) -> None:
    for tensor, values in reference.run(graph, sample).items():
        np.testing.assert_array_equal(values, expected[tensor], err_msg=where)


def apply_all(graph: Graph, samples: list[Sample], where: str) -> tuple[Graph, Counter[str]]:
    """What ``optimize`` does, with the bytes of the outputs compared after every change."""
    expected = [reference.run(graph, sample) for sample in samples]
    changes = Counter[str]()

    def apply(one: ModuleType) -> bool:
        nonlocal graph
        result, changed = one.apply(graph)
        verify(result)
        assert (result.inputs, result.outputs) == (graph.inputs, graph.outputs)
        graph = result
        if changed:
            changes[one.__name__.rpartition(".")[2]] += 1
            for sample, values in zip(samples, expected, strict=True):
                assert_same(graph, sample, values, f"{where}, after {one.__name__}")
        return bool(changed)

    while sum(apply(one) for one in SIMPLIFY):
        assert sum(changes.values()) < 500, "the passes do not come to an end"
    for one in FUSE:
        apply(one)
    return graph, changes


@pytest.mark.parametrize("group", range(GROUPS))
def test_random_models_keep_every_byte(group: int, tmp_path: Path) -> None:
    changes = Counter[str]()
    file = tmp_path / "model.tflite"
    for seed in range(group * SEEDS, (group + 1) * SEEDS):
        file.write_bytes((random_graph if seed % 2 else random_model)(seed))
        graph = load_tflite(file)
        samples = [random_inputs(graph, 3 * seed + number) for number in range(2)]
        result, applied = apply_all(graph, samples, f"random model {seed}")
        changes += applied
        ranges = tensor_ranges(result)
        for op in result.ops:
            if has_weights(op):
                bounds = accumulator_bounds(result, op, ranges)
                assert single_rounding(result, op, bounds) is not None
    names = {one.__name__.rpartition(".")[2] for one in (*SIMPLIFY, *FUSE)}
    # Few models need those two; they have tests of their own.
    assert set(changes) | {"split_adds", "split_roundings"} == names, "a pass was never tested"


def benchmark_samples(folder: Path, name: str, graph: Graph) -> list[Sample]:
    """Two official inputs where there are some, and a random one."""
    (tensor,) = graph.inputs
    shape = graph.tensors[tensor].shape
    kind = {"pretrainedResnet_quant": "ic01", "vww_96_int8": "vww01", "kws_ref_model": "kws01"}
    arrays = [np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)]
    for file in sorted((folder / "inputs" / kind.get(name, "none")).glob("*.bin"))[:2]:
        values = np.fromfile(file, np.int8)
        if name != "kws_ref_model":  # unsigned pixels
            values = (values.view(np.uint8).astype(np.int16) - 128).astype(np.int8)
        arrays.append(values.reshape(shape))
    return [{tensor: array} for array in arrays]


#: Operations, weights and multiply-accumulates that remain.
REMAINING = {
    "ad01_int8": (10, 264_192, 264_192),
    "kws_ref_model": (13, 22_016, 2_656_768),
    "person_detect": (31, 207_676, 7_077_246),
    "pretrainedResnet_quant": (13, 77_360, 12_501_632),
    "str_ww_ref_model": (11, 46_040, 826_368),
    "vww_96_int8": (31, 29_066, 3_727_313),
}


@pytest.mark.parametrize("name", sorted(REMAINING))
def test_benchmark_models_keep_every_byte(mlperf_tiny: Path, name: str) -> None:
    graph = load_tflite(mlperf_tiny / "models" / f"{name}.tflite")
    samples = benchmark_samples(mlperf_tiny, name, graph)
    result, _ = apply_all(graph, samples, name)
    figures = statistics(result)
    weights, macs = sum(f.weight_bytes for f in figures), sum(f.macs for f in figures)
    assert (len(result.ops), weights, macs) == REMAINING[name]
    again = optimize(graph)
    assert [vars(f) for f in statistics(again)] == [vars(f) for f in figures]


def test_optimizing_again_changes_nothing(network: Any) -> None:
    net = network(1)
    x = net.conv(net.input(1, 5, 5, 3), 6, dead=(1, 2))
    graph = optimize(net.finish(net.softmax(net.dense(net.add(x, net.conv(x, 6)), 4))))
    assert [op.kind for op in graph.ops] == ["Conv2D", "Conv2D", "FullyConnected", "Softmax"]
    assert not run(graph, SIMPLIFY)[1]
    assert not run(graph, FUSE)[1]


def test_the_graph_is_verified_after_every_pass(network: Any) -> None:
    net = network(2)
    graph = net.finish(net.conv(net.input(1, 5, 5, 3), 6))

    def broken(graph: Graph) -> tuple[Graph, bool]:
        result = Graph(graph.name, dict(graph.tensors), [], graph.inputs, graph.outputs)
        return result, True

    pass_: Any = SimpleNamespace(apply=broken, __name__="a broken pass")
    with pytest.raises(GraphError) as caught:
        run(graph, [pass_])
    assert "after the pass a broken pass" in caught.value.__notes__
