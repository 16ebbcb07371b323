# SPDX-License-Identifier: BSD-2-Clause
"""Runs what a host has loaded over a link's model with the program model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from celosia.compiler.image import Image
from celosia_hw.isa import Register, Space
from celosia_sim.link_model import Memories
from celosia_sim.program_model import ProgramModel


def program_runner(image: Image, seed: int = 0) -> Callable[[Memories], int]:
    """``Memories.run`` that executes the program at START: with the memories' bytes, of ``image``
    only the configuration, the number of instructions and the predicted cycles."""

    def run(memories: Memories) -> int:
        entry = memories.registers[Register.START]
        model = ProgramModel(replace(image, sections=(), inputs=(), entry=entry), seed)
        scratch = memories.memory[Space.SCRATCH]
        machine = model.machine
        machine.scratch[: len(scratch)] = np.frombuffer(scratch, np.uint8)
        machine.weights.load(0, bytes(memories.memory[Space.WEIGHTS]))
        machine.parameters.load(0, bytes(memories.memory[Space.PARAMETERS]))
        model.outputs([])
        scratch[:] = machine.scratch[: len(scratch)].tobytes()
        return image.cycles

    return run
