# SPDX-License-Identifier: BSD-2-Clause
"""Runs a model file on a simulated accelerator of any configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image, ImageSpace
from celosia.errors import ToolError
from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Status
from celosia_hw.verilog import to_verilog

from .accelerator import job_for, outputs_of
from .reference import run, run_from
from .rtl.build import build
from .rtl.run import run_jobs

Arrays = Mapping[int, npt.NDArray[np.generic]]


@dataclass
class NetworkResult:
    """A model's outputs, by tensor, for each sample, and the cycles each took."""

    image: Image
    graph: Graph
    outputs: list[dict[int, npt.NDArray[np.generic]]]
    cycles: list[int]

    @property
    def external(self) -> bool:
        """Whether weights come through the external port."""
        return any(s.space == ImageSpace.EXTERNAL for s in self.image.sections)


@cache
def simulation(config: AcceleratorConfig) -> Path:
    """The compiled accelerator."""
    return build(to_verilog(config), toplevel="celosia")


def run_network(
    path: Path, config: AcceleratorConfig, samples: Callable[[Graph], Sequence[Arrays]]
) -> NetworkResult:
    """Compiles the model for ``config`` and runs the Verilog on ``samples(graph)``.

    A sample is an array for each of the graph's inputs, by tensor.

    Raises:
        CelosiaError: the model does not fit, or a tool is missing or failed.
        ToolError: a run did not end as it should.
    """
    (result,) = run_networks([path], config, [samples])
    return result


def run_networks(
    paths: Sequence[Path],
    config: AcceleratorConfig,
    samples: Sequence[Callable[[Graph], Sequence[Arrays]]],
) -> list[NetworkResult]:
    """The same for several models, in one simulation."""
    compiled, jobs = [], []
    for path, draw in zip(paths, samples, strict=True):
        graph = load_tflite(path)
        optimized = optimize(graph)
        image = compile_graph(optimized, config)
        chosen = draw(graph)
        inputs = []
        for sample in chosen:
            tensors = run(optimized, sample, keep=True)
            inputs.append([tensors[port.tensor] for port in image.inputs])
        compiled.append((graph, optimized, image, chosen))
        jobs.append(job_for(image, inputs))
    results = []
    runs_of_all = run_jobs(simulation(config), jobs)
    for path, (graph, optimized, image, chosen), runs in zip(
        paths, compiled, runs_of_all, strict=True
    ):
        for one in runs:
            if one.status & 0xFF != 1 << Status.DONE:
                raise ToolError(f"{path}: a run ended with the status {one.status:#010x}")
        outputs = [
            run_from(optimized, {**sample, **outputs_of(image, one)})
            for sample, one in zip(chosen, runs, strict=True)
        ]
        results.append(NetworkResult(image, graph, outputs, [one.cycles for one in runs]))
    return results
