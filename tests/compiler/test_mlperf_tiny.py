# SPDX-License-Identifier: BSD-2-Clause
"""The MLPerf Tiny models, layer by layer on real inputs, and the cycles predicted for them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from celosia.compiler.compile import compile_graph
from celosia.compiler.sizing import size_config
from celosia.errors import FitError
from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.boards import get_board
from celosia_hw.config import AcceleratorConfig
from celosia_sim.program_model import first_difference

INPUTS = {
    "pretrainedResnet_quant": ("ic01", "uint8"),
    "kws_ref_model": ("kws01", "int8"),
    "vww_96_int8": ("vww01", "uint8"),
    "ad01_int8": ("ad01", "float32"),
    "str_ww_ref_model": (None, None),
    "person_detect": (None, None),
}
ARRAYS = [(4, 4), (8, 16), (2, 8), (2, 2), (16, 16), (16, 2), (2, 16)]
#: Cycles that a prediction must stay below: board, model, limit.
LIMITS = [
    ("icebreaker", "pretrainedResnet_quant", 850_000),
    ("icebreaker", "kws_ref_model", 205_000),
    ("icebreaker", "vww_96_int8", 320_000),
    ("icebreaker", "str_ww_ref_model", 70_000),
    ("icebreaker", "ad01_int8", 535_000),
    ("ulx3s_85f", "pretrainedResnet_quant", 110_000),
    ("ulx3s_85f", "kws_ref_model", 30_000),
    ("ulx3s_85f", "vww_96_int8", 64_000),
    ("ulx3s_85f", "str_ww_ref_model", 10_000),
    ("ulx3s_85f", "ad01_int8", 2_600),
]


@cache
def _graph(folder: Path, name: str) -> Graph:
    return optimize(load_tflite(folder / "models" / f"{name}.tflite"))


def _samples(folder: Path, name: str, graph: Graph) -> list[npt.NDArray[np.int8]]:
    """Three inputs: real ones, or uniform where there are none; and one of extremes."""
    tensor = graph.tensors[graph.inputs[0]]
    rng = np.random.default_rng(5)
    extremes = rng.choice(np.array([-128, 127], dtype=np.int8), tensor.shape)
    kind, dtype = INPUTS[name]
    if kind is None:
        return [rng.integers(-128, 128, tensor.shape).astype(np.int8) for _ in range(2)] + [
            extremes
        ]
    samples = []
    for path in sorted((folder / "inputs" / kind).glob("*.bin"))[:2]:
        raw = np.fromfile(path, dtype=dtype)
        if dtype == "float32":
            assert tensor.quantization is not None
            scale, zero_point = tensor.quantization.scale, tensor.quantization.zero_point
            raw = np.clip(np.round(raw[: tensor.shape[1]] / scale) + zero_point, -128, 127)
        elif dtype == "uint8":
            raw = raw.astype(np.int16) - 128
        samples.append(raw.astype(np.int8).reshape(tensor.shape))
    return [*samples, extremes]


def _config(array: tuple[int, int], *, scratch: int = 256) -> AcceleratorConfig:
    return AcceleratorConfig(
        output_channels=array[0],
        input_channels=array[1],
        chain_rows=array[0],
        scratch_bytes=scratch * 1024,
        accumulator_bits=26,
        multiplier_bits=30,
        weight_depth=512,
        requantize_lanes=min(*array, 4),
    )


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a[0]}x{a[1]}")
@pytest.mark.parametrize("name", INPUTS)
def test_every_array(mlperf_tiny: Path, name: str, array: tuple[int, int]) -> None:
    graph = _graph(mlperf_tiny, name)
    image = compile_graph(graph, _config(array))
    for seed, sample in enumerate(_samples(mlperf_tiny, name, graph)):
        assert first_difference(image, graph, {graph.inputs[0]: sample}, seed) is None


@pytest.mark.parametrize("board", ["icebreaker", "ulx3s_85f"])
@pytest.mark.parametrize("name", INPUTS)
def test_boards(mlperf_tiny: Path, name: str, board: str) -> None:
    """The configurations that are generated for two boards."""
    graph = _graph(mlperf_tiny, name)
    image = compile_graph(graph, size_config(graph, get_board(board), None))
    for seed, sample in enumerate(_samples(mlperf_tiny, name, graph)):
        assert first_difference(image, graph, {graph.inputs[0]: sample}, seed) is None


@pytest.mark.parametrize(("board", "name", "limit"), LIMITS)
def test_predicted_cycles(mlperf_tiny: Path, board: str, name: str, limit: int) -> None:
    graph = _graph(mlperf_tiny, name)
    image = compile_graph(graph, size_config(graph, get_board(board), None))
    assert image.macs / image.config.macs_per_cycle <= image.cycles < limit


def test_one_accelerator_for_all(mlperf_tiny: Path) -> None:
    """The five benchmark models share the standard configuration of a UP5K."""
    board = get_board("icebreaker")
    names = [name for name in INPUTS if name != "person_detect"]
    configs = {size_config(_graph(mlperf_tiny, name), board, None) for name in names}
    assert len(configs) == 1


def test_weights_move_out_as_memory_shrinks(mlperf_tiny: Path) -> None:
    """From resident over the scratchpad to the external port, with the same results."""
    graph = _graph(mlperf_tiny, "kws_ref_model")
    sample = _samples(mlperf_tiny, "kws_ref_model", graph)[0]
    spaces = []
    for depth, scratch in ((2048, 64), (512, 64), (512, 44)):
        config = AcceleratorConfig(
            weight_depth=depth, scratch_bytes=scratch * 1024, multiplier_bits=30
        )
        image = compile_graph(graph, config)
        spaces.append(image.usage["weight_source"])
        assert first_difference(image, graph, {graph.inputs[0]: sample}) is None
    assert spaces == [0, 1, 2]


def test_too_little_memory_says_what_is_short(mlperf_tiny: Path) -> None:
    graph = _graph(mlperf_tiny, "pretrainedResnet_quant")
    with pytest.raises(
        FitError,
        match=r"scratchpad of 16384 bytes is \d+ bytes short; needed are 37\d\d\d bytes of "
        r"activations at pretrainedResnet_quant: operator \d+ \(Conv2D.*bytes of parameters",
    ):
        compile_graph(graph, AcceleratorConfig(scratch_bytes=16 * 1024))
