# SPDX-License-Identifier: BSD-2-Clause
"""Runs a generated accelerator's Verilog on input data and compares every byte it returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celosia.compiler.image import Image
from celosia.errors import InputError, ToolError
from celosia.folder import IMAGE, MANIFEST, MODEL, Folder
from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.output_files import check_writable, npy_bytes, write_files
from celosia.passes import optimize
from celosia.samples import float_samples, load_samples, quantize_samples
from celosia.tensors import from_bytes, layer_cycles
from celosia_hw.isa import Error, Status

from .accelerator import job_for, outputs_of, utilization
from .reference import run as run_reference
from .reference import run_from
from .rtl.build import Simulator, build
from .rtl.job import Run
from .rtl.run import run_job
from .rtl.toolchain import check_trace

#: Called with the stage, what is done of it, how much there is to do, and what is at work.
Progress = Callable[[str, float, float, str], None]


@dataclass
class LayerResult:
    """``cycles`` are those of the first sample."""

    name: str
    op: str
    macs: int
    cycles: int


@dataclass
class Mismatch:
    """The first byte that differs: of a layer's output, or of the model's."""

    sample: int
    layer: str
    position: tuple[int, ...]
    accelerator: int
    reference: int

    def __str__(self) -> str:
        where = ", ".join(map(str, self.position))
        return (
            f"sample {self.sample}: {self.layer} differs first at ({where}): "
            f"the accelerator says {self.accelerator}, the reference {self.reference}"
        )


@dataclass
class SimulationResult:
    """What a simulation showed; ``outputs`` has a leading axis of samples."""

    samples: int
    mismatches: int
    cycles: list[int]
    predicted_cycles: int
    layers: list[LayerResult]
    macs: int
    macs_per_cycle: float
    utilization: float
    first_mismatch: Mismatch | None
    outputs: npt.NDArray[np.generic] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        record = {k: v for k, v in asdict(self).items() if k != "outputs"}
        if self.first_mismatch is not None:
            record["first_mismatch"]["text"] = str(self.first_mismatch)
        return record


def simulate(
    directory: Path | str,
    inputs: Path | str | npt.NDArray[Any],
    *,
    model: Path | str | None = None,
    samples: int | None = None,
    trace: Path | str | None = None,
    external_rate: float | None = None,
    simulator: str = Simulator.VERILATOR.value,
    progress: Progress | None = None,
) -> SimulationResult:
    """Runs ``directory/top.v`` on ``inputs`` and compares with the integer reference.

    Args:
        directory: what ``generate`` wrote.
        inputs: samples, or the ``.npy`` file that holds them: the model's input shape behind an
            axis of samples; int8, or floating point to be quantized with the model's scale.
        model: another folder that ``generate`` wrote for the same hardware; its model is loaded
            and run on the Verilog of ``directory``.
        samples: how many of the samples to run, all if None.
        trace: file for waveforms, ``.fst`` or ``.vcd``.
        external_rate: bytes a cycle of the memory behind the external port; if None, what
            the cycle prediction assumes.
        simulator: "verilator", or "icarus" where that is installed.

    Writes ``outputs.npy`` and ``simulation.json`` into the model's folder.

    Raises:
        CelosiaError: a file or the input is bad, a tool is missing, or the run ended with an error.
    """
    hardware = Folder(directory)
    files = Folder(model) if model is not None else hardware
    folder = files.path
    verilog = hardware.verilog()
    if files.config.fingerprint != hardware.config.fingerprint:
        raise InputError(
            f"{folder / MANIFEST}: generated for the configuration "
            f"{files.config.fingerprint:#010x}, but the accelerator in {directory} has "
            f"{hardware.config.fingerprint:#010x}; generate the model with --hardware {directory}"
        )
    image = files.image()
    for checked in (hardware, files):
        checked.check()
    graph = load_tflite(folder / MODEL)
    kind = check_trace(Path(trace)) if trace is not None else None
    check = _Check(image, graph)
    values = _samples(graph, inputs, samples)
    check_writable(folder)
    if trace is not None:
        check_writable(Path(trace).absolute().parent)

    def report(stage: str, done: float, total: float, detail: str = "") -> None:
        if progress is not None:
            progress(stage, done, total, detail)

    report("compile", 0, 1)
    check.built = build(verilog, toplevel="celosia", trace=kind, simulator=Simulator(simulator))
    report("compile", 1, 1)
    total = len(values) * image.cycles
    runs = run_job(
        check.built,
        job_for(image, [check.inputs(value) for value in values], external_rate=external_rate),
        trace=Path(trace).absolute() if trace is not None else None,
        progress=lambda number, instruction, cycles: report(
            "run",
            min(number * image.cycles + cycles, total),
            total,
            _layer_at(image, instruction),
        ),
    )
    report("run", total, total)
    if code := runs[-1].status >> Status.ERROR & 15:
        raise ToolError(
            f"{folder}: the run of sample {len(runs) - 1} ended with the error {Error(code).name} "
            f"at instruction {runs[-1].status >> Status.INSTRUCTION} of the program"
        )

    outputs = []
    failures: list[Mismatch] = []
    for number, (value, run) in enumerate(zip(values, runs, strict=True)):
        result, failure = check.compare(number, value, run)
        outputs.append(result)
        if failure is not None:
            failures.append(failure)
    if failures:
        first = failures[0].sample
        failures[0] = check.first_difference(first, values[first]) or failures[0]

    cycles = [run.cycles for run in runs]
    by_layer = layer_cycles(image, runs[0].reads[0])
    record = SimulationResult(
        samples=len(values),
        mismatches=len(failures),
        cycles=cycles,
        predicted_cycles=image.cycles,
        layers=[
            LayerResult(layer.name, layer.op, layer.macs, count)
            for layer, count in zip(image.layers, by_layer, strict=True)
        ],
        macs=image.macs,
        macs_per_cycle=image.macs / cycles[0],
        utilization=utilization(image, cycles[0]),
        first_mismatch=failures[0] if failures else None,
        outputs=np.stack(outputs),
    )
    text = json.dumps(record.to_dict(), indent=2) + "\n"
    write_files(
        folder, {"outputs.npy": npy_bytes(record.outputs), "simulation.json": text.encode()}
    )
    return record


class _Check:
    """Compares runs of one image with the reference."""

    def __init__(self, image: Image, graph: Graph) -> None:
        self.image = image
        self.graph = graph
        #: What was compiled; its tensors have the same identifiers, where they still exist.
        self.optimized = optimize(graph)
        self.built = Path()
        outputs = [layer.output for layer in image.layers if layer.output is not None]
        for port in (*image.inputs, *image.outputs, *outputs):
            found = self.optimized.tensors.get(port.tensor)
            if found is None or (found.name, found.dtype.value, found.shape) != (
                port.name,
                port.dtype,
                port.shape,
            ):
                raise InputError(
                    f"{image.model}: {IMAGE} has the tensor {port.name!r}, which {MODEL} has not, "
                    "or with another type or shape, so one of these files was replaced; generate "
                    "the folder again"
                )

    def inputs(self, value: npt.NDArray[np.generic]) -> list[npt.NDArray[np.generic]]:
        """What the accelerator is given: the sample, quantized on the host if the model says so."""
        tensors = run_reference(self.optimized, {self.graph.inputs[0]: value}, keep=True)
        return [tensors[port.tensor] for port in self.image.inputs]

    def compare(
        self, number: int, value: npt.NDArray[np.generic], run: Run
    ) -> tuple[npt.NDArray[np.generic], Mismatch | None]:
        """The model's first output, and the first byte of any output that is wrong."""
        expected = run_reference(self.graph, {self.graph.inputs[0]: value})
        direct = outputs_of(self.image, run)
        compiled = run_reference(self.optimized, {self.graph.inputs[0]: value}, keep=True)
        result = run_from(self.optimized, {self.graph.inputs[0]: value, **direct})
        failure = None
        for port in self.image.outputs:
            failure = failure or _difference(
                number, port.name, direct[port.tensor], compiled[port.tensor]
            )
        for tensor in self.graph.outputs:
            name = self.graph.tensors[tensor].name
            failure = failure or _difference(number, name, result[tensor], expected[tensor])
        return result[self.graph.outputs[0]], failure

    def first_difference(self, number: int, value: npt.NDArray[np.generic]) -> Mismatch | None:
        """Runs a sample again layer by layer, and returns the first byte that differs."""
        expected = run_reference(self.optimized, {self.graph.inputs[0]: value}, keep=True)
        (run,) = run_job(self.built, job_for(self.image, [self.inputs(value)], by_layer=True))
        for index, contents in enumerate(run.steps):
            layers = [x for x in self.image.layers if x.output is not None and x.last == index]
            for layer, content in zip(layers, contents, strict=True):
                assert layer.output is not None
                found = _difference(
                    number,
                    layer.name,
                    from_bytes(layer.output, content),
                    expected[layer.output.tensor],
                )
                if found is not None:
                    return found
        return None


def _layer_at(image: Image, instruction: int) -> str:
    """Name of the layer that an instruction belongs to."""
    if instruction >= len(image.instructions):
        return ""
    layer = image.instructions[instruction].layer
    return image.layers[layer].name if layer >= 0 else ""


def _samples(
    graph: Graph, inputs: Path | str | npt.NDArray[Any], limit: int | None
) -> list[npt.NDArray[np.generic]]:
    """Each sample as the model's input tensor, batch axis included."""
    if limit is not None and limit < 1:
        raise InputError(f"the number of samples must be at least 1, not {limit}")
    array = load_samples(inputs) if isinstance(inputs, (str, Path)) else np.asarray(inputs)
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.quantization is None:
        return list(float_samples(array, tensor.shape)[:limit])
    quantized = quantize_samples(
        array,
        tensor.shape,
        scale=tensor.quantization.scale,
        zero_point=tensor.quantization.zero_point,
        dtype=tensor.dtype.value,
    )
    return list(quantized[:limit])


def _difference(
    number: int, layer: str, value: npt.NDArray[Any], expected: npt.NDArray[Any]
) -> Mismatch | None:
    expected = expected.reshape(value.shape)
    places = np.argwhere(value != expected)
    if len(places) == 0:
        return None
    place = tuple(int(i) for i in places[0])
    return Mismatch(number, layer, place, int(value[place]), int(expected[place]))
