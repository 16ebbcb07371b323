# SPDX-License-Identifier: BSD-2-Clause
"""Runs what a host has loaded over a link's model with the program model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from celosia.compiler.image import Image
from celosia_hw.isa import Register, Space
from celosia_sim.link_model import Memories
from celosia_sim.program_model import ProgramModel


def program_runner(image: Image, seed: int = 0) -> Callable[[Memories], Iterator[int]]:
    """``Memories.run`` that executes the program at START: with the memories' bytes, of ``image``
    only the configuration, the number of instructions and the predicted cycles."""

    def run(memories: Memories) -> Iterator[int]:
        entry = memories.registers[Register.START]
        model = ProgramModel(replace(image, sections=(), inputs=(), entry=entry), seed)
        memory = memories.memory[Space.SCRATCH]
        machine = model.machine
        scratch = machine.scratch[: len(memory)]
        machine.weights.load(0, bytes(memories.memory[Space.WEIGHTS]))
        machine.parameters.load(0, bytes(memories.memory[Space.PARAMETERS]))
        cycles = 0
        scratch[:] = np.frombuffer(memory, np.uint8)
        for executed in model.run([]):
            cycles += image.instructions[executed.index].cycles
            memory[:] = scratch.tobytes()
            yield cycles
            # Another may have written while the run was paused.
            scratch[:] = np.frombuffer(memory, np.uint8)

    return run
