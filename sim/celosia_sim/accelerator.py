# SPDX-License-Identifier: BSD-2-Clause
"""Turns an image and input tensors into a simulation job, and its results back into tensors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from celosia.compiler.image import Image, ImageSpace, TensorPort

from .rtl.job import Job, Run, Section

#: A run that takes this many times its predicted cycles is hung.
WATCHDOG_FACTOR = 4


def span(port: TensorPort) -> int:
    """Bytes from a tensor's first element to its last, both included."""
    return 1 + sum((n - 1) * s for n, s in zip(port.shape, port.strides, strict=True))


def to_bytes(port: TensorPort, values: npt.NDArray[np.generic]) -> bytes:
    """The bytes of a tensor as they lie in the scratchpad; what lies between its elements is the
    zero point, as in its border."""
    content = np.full(span(port), port.zero_point, np.dtype(port.dtype)).view(np.uint8)
    view = np.lib.stride_tricks.as_strided(content, port.shape, port.strides)
    view[...] = values.reshape(port.shape).view(np.uint8)
    return content.tobytes()


def from_bytes(port: TensorPort, content: bytes) -> npt.NDArray[np.generic]:
    """The tensor in the ``span`` bytes read at its address."""
    raw = np.frombuffer(content, np.dtype(port.dtype))
    return np.lib.stride_tricks.as_strided(raw, port.shape, port.strides).copy()


def job_for(
    image: Image,
    inputs: list[list[npt.NDArray[np.generic]]],
    *,
    external_rate: float | None = None,
    by_layer: bool = False,
) -> Job:
    """A job that runs ``image`` on each of ``inputs`` (one array for each of the image's inputs).

    ``by_layer`` pauses behind each instruction that completes a layer's output and reads that.
    """
    sections = [
        Section(int(s.space), s.address, s.data)
        for s in image.sections
        if s.space != ImageSpace.EXTERNAL
    ]
    external = bytearray()
    for s in image.sections:
        if s.space == ImageSpace.EXTERNAL:
            external.extend(bytes(max(0, s.address + len(s.data) - len(external))))
            external[s.address : s.address + len(s.data)] = s.data
    steps: list[list[tuple[int, int]]] | None = None
    if by_layer:
        steps = [[] for _ in image.instructions]
        for layer in image.layers:
            if layer.output is not None:
                steps[layer.last].append((layer.output.address, span(layer.output)))
        # The last instruction, END, has nothing behind it to pause at.
        steps = steps[:-1]
    profile = (image.profile_base, 4 * (len(image.instructions) - 1))
    return Job(
        sections=sections,
        start=image.entry,
        inputs=[
            [(p.address, to_bytes(p, v)) for p, v in zip(image.inputs, values, strict=True)]
            for values in inputs
        ],
        reads=[profile, *((port.address, span(port)) for port in image.outputs)],
        watchdog=min(WATCHDOG_FACTOR * image.cycles + 100_000, 2**32 - 1),
        external=bytes(external),
        external_rate=external_rate or image.external_rate,
        steps=steps,
    )


def outputs_of(image: Image, run: Run) -> dict[int, npt.NDArray[np.generic]]:
    """The accelerator's output tensors, by their identifiers in the graph."""
    return {
        port.tensor: from_bytes(port, content)
        for port, content in zip(image.outputs, run.reads[1:], strict=True)
    }


def layer_cycles(image: Image, run: Run) -> list[int]:
    """Clock cycles of each of the image's layers, measured by the accelerator itself.

    What belongs to no layer (the set-up) counts to the layer behind it.
    """
    ends = np.frombuffer(run.reads[0], "<u4").astype(np.int64)
    cycles = []
    before = 0
    for layer in image.layers:
        end = int(ends[layer.last]) if layer.last >= layer.first else before
        cycles.append(end - before)
        before = end
    return cycles


def utilization(image: Image, cycles: int) -> float:
    """Multiplications of the model for each multiplier and cycle."""
    return image.macs / (image.config.macs_per_cycle * cycles) if cycles else math.nan
