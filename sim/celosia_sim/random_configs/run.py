# SPDX-License-Identifier: BSD-2-Clause
"""Runs a case in RTL, against the integer reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from celosia.graph.ir import Graph
from celosia.tensors import from_bytes
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Status
from celosia_hw.verilog import to_verilog
from celosia_sim.accelerator import job_for, outputs_of
from celosia_sim.random_models import random_inputs
from celosia_sim.reference import run, run_from
from celosia_sim.rtl.build import build
from celosia_sim.rtl.job import Job, Run
from celosia_sim.rtl.run import run_jobs

from .draw import Case, Model

#: Inputs that each model is run with at one go, and one more that is run layer by layer.
SAMPLES = 2
Tensors = dict[int, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Difference:
    """What is wrong with a run of the case's model of this number."""

    model: int
    what: str


@dataclass(frozen=True)
class Result:
    """All that differs, and the cycles of each model's first run beside the predicted ones."""

    differences: tuple[Difference, ...]
    cycles: tuple[tuple[int, int], ...]


def compile_verilog(config: AcceleratorConfig) -> Path:
    """The simulation of a configuration that is used a few times."""
    return build(to_verilog(config), toplevel="celosia", optimized=False)


def run_case(case: Case, built: Callable[[AcceleratorConfig], Path] = compile_verilog) -> Result:
    """Runs each model of a case twice at one go, behind a reset, and once layer by layer."""
    jobs: list[Job] = []
    for model in case.models:
        rate = model.external_rate
        inputs = [_device_inputs(model, sample) for sample in _samples(model)]
        jobs.append(job_for(model.image, inputs[:SAMPLES], external_rate=rate))
        jobs.append(job_for(model.image, inputs[SAMPLES:], external_rate=rate, by_layer=True))
    runs = run_jobs(built(case.config), jobs)
    differences, cycles = [], []
    for number, model in enumerate(case.models):
        whole, by_layer = runs[2 * number], runs[2 * number + 1]
        found = [*_outputs(model, whole), *_layers(model, by_layer)]
        differences += [Difference(number, what) for what in found]
        cycles.append((model.image.cycles, whole[0].cycles if whole else 0))
    return Result(tuple(differences), tuple(cycles))


def _samples(model: Model) -> list[Tensors]:
    return [random_inputs(model.graph, model.seed + index) for index in range(SAMPLES + 1)]


def _device_inputs(model: Model, sample: Tensors) -> list[npt.NDArray[np.generic]]:
    tensors = run(model.optimized, sample, keep=True)
    return [tensors[port.tensor] for port in model.image.inputs]


def _outputs(model: Model, runs: list[Run]) -> list[str]:
    """Differences of the runs at one go."""
    found: list[str] = []
    for index, sample in enumerate(_samples(model)[:SAMPLES]):
        if len(runs) <= index or runs[index].status & 0xFF != 1 << Status.DONE:
            status = f"{runs[index].status:#010x}" if len(runs) > index else "none"
            return [*found, f"run {index}: ended with status {status}"]
        expected = run(model.graph, sample)
        actual = run_from(model.optimized, {**sample, **outputs_of(model.image, runs[index])})
        for tensor in model.graph.outputs:
            found += _compared(
                f"run {index}", model.graph, tensor, actual[tensor], expected[tensor]
            )
    return found


def _layers(model: Model, runs: list[Run]) -> list[str]:
    """Differences of the run layer by layer: of the first layer that has any."""
    tensors = run(model.optimized, _samples(model)[SAMPLES], keep=True)
    for layer in model.image.layers:
        if layer.output is None:
            continue
        if not runs or len(runs[0].steps) <= layer.last:
            return [f"layer by layer: ended before {layer.name}"]
        (content,) = runs[0].steps[layer.last]
        number = layer.output.tensor
        found = _compared(
            f"layer {layer.name}",
            model.optimized,
            number,
            from_bytes(layer.output, content),
            tensors[number],
        )
        if found:
            return found
    return []


def _compared(
    where: str,
    graph: Graph,
    tensor: int,
    actual: npt.NDArray[np.generic],
    expected: npt.NDArray[np.generic],
) -> list[str]:
    if np.array_equal(actual, expected):
        return []
    name = graph.tensors[tensor].name
    first = tuple(int(i) for i in np.argwhere(actual != expected)[0])
    wrong = int(np.count_nonzero(actual != expected))
    return [
        f"{where}: {wrong} of {math.prod(expected.shape)} bytes of {name!r} differ, first at "
        f"{first}: {actual[first]} instead of {expected[first]}"
    ]
