# SPDX-License-Identifier: BSD-2-Clause
"""Programs of random models give the reference's bytes, layer by layer, on any configuration.

The generator's models equal LiteRT in the reference (tests/reference), so this is the next link of
the chain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image
from celosia.compiler.step import Limits
from celosia.errors import FitError
from celosia.graph.ir import Graph
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import INSTRUCTION_BYTES, Opcode, decode
from celosia_sim.program_model import first_difference
from celosia_sim.random_models import random_inputs

SEEDS = 300
#: Small enough that nearly every layer is split.
SMALL = Limits(groups=2, lines=3, positions=17, taps_c=12, taps_ky=5, taps_kx=4)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_program_equals_reference(
    seed: int,
    random_graph: Callable[[int], Graph],
    random_config: Callable[[int], AcceleratorConfig],
) -> None:
    graph = random_graph(seed)
    image = compile_graph(graph, random_config(seed))
    stored = Image.from_bytes(image.to_bytes())
    assert stored == image
    assert first_difference(stored, graph, random_inputs(graph, seed), seed) is None


@pytest.mark.parametrize("seed", range(SEEDS, SEEDS + 90))
def test_split_instructions(
    seed: int,
    random_graph: Callable[[int], Graph],
    random_config: Callable[[int], AcceleratorConfig],
) -> None:
    graph = random_graph(seed)
    config = random_config(seed)
    try:
        image = compile_graph(graph, config, limits=SMALL)
    except FitError as error:
        assert "more elements than an instruction can count" in str(error)  # noqa: PT017
        compile_graph(graph, config)
        return
    for opcode, fields in _instructions(image):
        if opcode not in (Opcode.SETUP, Opcode.END):
            for name in ("groups", "lines", "positions", "taps_c", "taps_ky", "taps_kx"):
                assert fields[name] <= getattr(SMALL, name)
    assert first_difference(image, graph, random_inputs(graph, seed), seed) is None


def _instructions(image: Image) -> list[tuple[Opcode, dict[str, int]]]:
    section = image.sections[0]
    start = image.entry - section.address
    code = section.data[start : start + INSTRUCTION_BYTES * len(image.instructions)]
    return [decode(code[i : i + INSTRUCTION_BYTES]) for i in range(0, len(code), INSTRUCTION_BYTES)]


@pytest.mark.parametrize("seed", range(2, 62, 3))
def test_garbage_makes_no_difference(
    seed: int,
    random_graph: Callable[[int], Graph],
    random_config: Callable[[int], AcceleratorConfig],
) -> None:
    """Bytes that nothing has written, and what the run before left, do not matter."""
    graph = random_graph(seed)
    image = compile_graph(graph, replace(random_config(seed), scratch_bytes=64 * 1024))
    for garbage in range(3):
        inputs = random_inputs(graph, seed + garbage)
        assert first_difference(image, graph, inputs, garbage) is None
