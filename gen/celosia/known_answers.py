# SPDX-License-Identifier: BSD-2-Clause
"""Computes the known-answer test that an image carries, from the model and not from the program."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Protocol

from celosia.compiler.host import divide
from celosia.compiler.image import Image
from celosia.compiler.self_test import SelfTest, checks, checksum, known_input
from celosia.graph.ir import Array, Graph, TensorId


class Reference(Protocol):
    """Computes the tensors of a graph exactly, ``celosia_sim.reference.run``."""

    def __call__(
        self, graph: Graph, inputs: Mapping[TensorId, Array], keep: bool = False
    ) -> dict[TensorId, Array]: ...


def known_answers(graph: Graph, image: Image, reference: Reference) -> SelfTest:
    """What ``reference`` says of the accelerator's part of ``graph``, the optimized graph that
    ``image`` was compiled from. The seed comes from the image's contents: the same model has the
    same test."""
    seed = 0
    for section in image.sections:
        seed = zlib.crc32(section.data, seed)
    seed = seed or 1
    inputs = known_input(seed, image.inputs)
    given = {port.tensor: array for port, array in zip(image.inputs, inputs, strict=True)}
    values = reference(divide(graph).graph, given, keep=True)
    return SelfTest(seed, tuple(checksum(values[check.port.tensor]) for check in checks(image)))
