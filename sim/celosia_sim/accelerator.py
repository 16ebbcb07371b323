# SPDX-License-Identifier: BSD-2-Clause
"""Turns an image and input tensors into a simulation job, and its results back into tensors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from celosia.compiler.image import Image, ImageSpace
from celosia.tensors import counters_bytes, from_bytes, span, to_bytes

from .rtl.job import Job, Run, Section

#: A run that takes this many times its predicted cycles is hung.
WATCHDOG_FACTOR = 4


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
    profile = (image.profile_base, counters_bytes(image))
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


def utilization(image: Image, cycles: int) -> float:
    """Multiplications of the model for each multiplier and cycle."""
    return image.macs / (image.config.macs_per_cycle * cycles) if cycles else math.nan
