# SPDX-License-Identifier: BSD-2-Clause
"""Compares every layer of a program with the integer reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from celosia.compiler.image import Image, TensorPort
from celosia.graph.ir import Array, Graph, TensorId
from celosia_sim.program_model.model import ProgramModel
from celosia_sim.reference import run


@dataclass(frozen=True)
class Difference:
    """The first element of a layer's result that is wrong, and how many are."""

    layer: str
    position: tuple[int, ...]
    program: int
    reference: int
    count: int


def first_difference(
    image: Image, graph: Graph, inputs: Mapping[TensorId, Array], seed: int = 0
) -> Difference | None:
    """Runs ``image`` and the reference of ``graph``, which it was compiled from, on one sample.

    Args:
        image: the program.
        graph: the optimized graph.
        inputs: of the graph, by tensor.
        seed: of the bytes that nothing has written.

    Returns:
        None if all bytes of all layers and outputs are equal.

    Raises:
        ProgramError: the program breaks a rule of the architecture.
    """
    expected = run(graph, inputs, keep=True)
    model = ProgramModel(image, seed)
    results = {layer.last: layer.output for layer in image.layers if layer.output is not None}
    for executed in model.run([expected[port.tensor] for port in image.inputs]):
        port = results.get(executed.index)
        if port is not None and (found := _compare(model, port, expected[port.tensor])):
            return found
    for port in image.outputs:
        if found := _compare(model, port, expected[port.tensor]):
            return found
    return None


def _compare(model: ProgramModel, port: TensorPort, expected: Array) -> Difference | None:
    actual = model.read(port)
    places = np.argwhere(actual != expected)
    if not len(places):
        return None
    first = tuple(int(i) for i in places[0])
    return Difference(port.name, first, int(actual[first]), int(expected[first]), len(places))
