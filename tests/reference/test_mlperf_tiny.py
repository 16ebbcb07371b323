# SPDX-License-Identifier: BSD-2-Clause
"""Every tensor of every MLPerf Tiny model against LiteRT, on real inputs and on random ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from celosia.graph.ir import Array, Graph
from celosia.importer import load_tflite
from celosia_sim.litert import run_litert
from celosia_sim.mlperf_tiny import real_inputs
from celosia_sim.reference import run

#: Those that LiteRT accepts. It refuses person_detect, whose biases name a dimension that they
#: have not got.
MODELS = [
    "ad01_int8",
    "kws_ref_model",
    "pretrainedResnet_quant",
    "str_ww_ref_model",
    "vww_96_int8",
]
#: No inputs of the streaming wake word are at hand.
WITH_INPUTS = [name for name in MODELS if name != "str_ww_ref_model"]


def differing_tensors(model: bytes, graph: Graph, x: Array) -> list[str]:
    inputs = {graph.inputs[0]: x}
    found = run(graph, inputs, keep=True)
    wanted = run_litert(model, inputs, list(found))
    assert {op.output for op in graph.ops} < set(found)
    return [
        graph.tensors[number].name
        for number in found
        if found[number].dtype != wanted[number].dtype
        or not np.array_equal(found[number], wanted[number])
    ]


@pytest.fixture
def litert() -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is the reference; install celosia[all]")


@pytest.mark.usefixtures("litert")
@pytest.mark.parametrize("name", WITH_INPUTS)
def test_real_inputs(mlperf_tiny: Path, name: str) -> None:
    file = mlperf_tiny / "models" / f"{name}.tflite"
    graph = load_tflite(file)
    inputs = real_inputs(mlperf_tiny, graph, 6)
    assert len(inputs) == 6
    assert len({x.tobytes() for x in inputs}) == 6
    for x in inputs:
        assert differing_tensors(file.read_bytes(), graph, x) == []


@pytest.mark.usefixtures("litert")
@pytest.mark.parametrize("name", MODELS)
def test_random_inputs(mlperf_tiny: Path, name: str) -> None:
    file = mlperf_tiny / "models" / f"{name}.tflite"
    graph = load_tflite(file)
    shape = graph.tensors[graph.inputs[0]].shape
    rng = np.random.default_rng(len(name))
    uniform = rng.integers(-128, 128, (2, *shape))
    ends = rng.choice(np.array([-128, 127]), shape)
    for x in [*uniform, ends]:
        assert differing_tensors(file.read_bytes(), graph, x.astype(np.int8)) == []


def test_person_detect_tells_persons(mlperf_tiny: Path) -> None:
    """LiteRT refuses this old export; its labels are "no person" and "person"."""
    graph = load_tflite(mlperf_tiny / "models" / "person_detect.tflite")
    person, no_person = real_inputs(mlperf_tiny, graph, 2)
    scores = [run(graph, x)[graph.outputs[0]][0] for x in (person, no_person)]
    assert scores[0][0] < scores[0][1]
    assert scores[1][0] > scores[1][1]
