# SPDX-License-Identifier: BSD-2-Clause
"""Runs an image: loads its sections, writes inputs, executes instructions, reads outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celosia.compiler.image import Image, ImageSpace, TensorPort
from celosia_hw.isa import INSTRUCTION_BYTES, Opcode, Source, decode
from celosia_sim.program_model.arithmetic import ProgramError
from celosia_sim.program_model.execute import SPACE, Machine


@dataclass(frozen=True)
class Executed:
    """An instruction that is complete; ``memory`` is the scratchpad, valid until the next one."""

    index: int
    opcode: Opcode
    fields: dict[str, int]
    memory: npt.NDArray[np.uint8]


class ProgramModel:
    """An accelerator with an image in its memories. ``seed`` decides the bytes that nothing has
    written; results must not depend on it.

    Raises:
        ProgramError: (while running) the program breaks a rule of the architecture.
    """

    def __init__(self, image: Image, seed: int = 0) -> None:
        self.image = image
        self.machine = Machine(image.config, seed)
        self._external: npt.NDArray[np.uint8] = np.zeros(0, dtype=np.uint8)
        for section in image.sections:
            data = np.frombuffer(section.data, dtype=np.uint8)
            if section.space == ImageSpace.SCRATCH:
                self.machine.scratch[section.address : section.address + len(data)] = data
            elif section.space == ImageSpace.WEIGHTS:
                self.machine.weights.load(section.address, section.data)
            elif section.space == ImageSpace.PARAMETERS:
                self.machine.parameters.load(section.address, section.data)
            else:
                size = section.address + len(data)
                self._external = np.resize(self._external, max(size, len(self._external)))
                self._external[section.address : size] = data

    def write(self, port: TensorPort, values: npt.NDArray[np.generic]) -> None:
        """Puts a tensor of the port's shape and type into the scratchpad."""
        if values.shape != port.shape or values.dtype != port.dtype:
            raise ProgramError(
                f"{port.name} is {port.dtype}{port.shape}, not {values.dtype}{values.shape}"
            )
        self.machine.scratch[indices(port)] = values.view(np.uint8)

    def read(self, port: TensorPort) -> npt.NDArray[np.generic]:
        """The tensor at a port."""
        return self.machine.scratch[indices(port)].view(port.dtype)

    def run(self, inputs: Sequence[npt.NDArray[np.generic]]) -> Iterator[Executed]:
        """Writes the inputs and executes instructions, one for each item, END left out."""
        if len(inputs) != len(self.image.inputs):
            raise ProgramError(f"{len(inputs)} inputs for {len(self.image.inputs)}")
        for port, values in zip(self.image.inputs, inputs, strict=True):
            self.write(port, values)
        machine = self.machine
        address = self.image.entry
        for index in range(len(self.image.instructions)):
            raw = machine.scratch[address : address + INSTRUCTION_BYTES].tobytes()
            opcode, fields = decode(raw)
            if opcode == Opcode.END:
                return
            if (index == 0) != (opcode == Opcode.SETUP):
                raise ProgramError("SETUP must be the first instruction, and only the first")
            if opcode == Opcode.SETUP:
                self._setup(fields)
                profile = fields["profile_base"]
            elif opcode == Opcode.FILL:
                machine.fill(fields)
            else:
                machine.execute(opcode, fields)
            # The cycle counter's value is not modelled, but its bytes are overwritten.
            machine.scratch[profile + 4 * index : profile + 4 * index + 4] = 0xA5
            yield Executed(index, opcode, fields, machine.scratch)
            address = (address + INSTRUCTION_BYTES) % SPACE
        raise ProgramError("the program does not end where the image says")

    def outputs(self, inputs: Sequence[npt.NDArray[np.generic]]) -> list[npt.NDArray[np.generic]]:
        """Runs to the end and reads all outputs."""
        for _ in self.run(inputs):
            pass
        return [self.read(port) for port in self.image.outputs]

    def _setup(self, fields: dict[str, int]) -> None:
        scratch, external = self.machine.scratch, self._external
        source = Source(fields["weight_source"])
        space = external if source == Source.EXTERNAL else scratch
        self.machine.weights.start(source, scratch, space, fields["weight_list"])
        source = Source(fields["parameter_source"])
        if source == Source.EXTERNAL:
            raise ProgramError("parameters cannot come from the external port")
        self.machine.parameters.start(source, scratch, scratch, fields["parameter_list"])


def indices(port: TensorPort) -> npt.NDArray[np.int64]:
    """Scratchpad addresses of all elements of a port's tensor."""
    index: npt.NDArray[np.int64] = np.full(port.shape, port.address, dtype=np.int64)
    for axis, (size, stride) in enumerate(zip(port.shape, port.strides, strict=True)):
        steps = np.arange(size) * stride
        index += steps.reshape([-1 if i == axis else 1 for i in range(len(port.shape))])
    return index
