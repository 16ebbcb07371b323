# SPDX-License-Identifier: BSD-2-Clause
"""The image: everything that running a model on an accelerator needs, in one file.

Layout, all numbers little-endian and unsigned unless said otherwise:

====== ================================================================
offset
====== ================================================================
0      8 bytes ``CELOSIA`` and a zero
8      u32 version (3)
12     u32 length of the file
16     u32 CRC-32 of all bytes from 20 on
20     u32 fingerprint of the configuration that it was compiled for
24     u32 scratchpad address of the first instruction
28     u32 number of instructions, END included
32     u32 number of sections
36     u32 number of inputs
40     u32 number of outputs
44     u32 offset of the JSON part
48     u32 length of the JSON part
52     u32 scratchpad address of the cycle counters (4 bytes each)
56     u32 predicted cycles of a run
60     u32 offset of the known-answer test, 0 if there is none
64     sections of 16 bytes: u32 space, address, length, offset in the file
...    inputs, then outputs, of 68 bytes: u32 address, u32 rank, 6 x u32
       sizes, 6 x u32 strides in bytes, i32 zero point, f32 scale,
       u32 bytes an element
...    data of the sections, each aligned to 4 bytes; the known-answer test
       (``gen/celosia/compiler/self_test.py``); the JSON part
====== ================================================================

A section is to be written to its space before the first run: 0 scratchpad, 1 weight memory, 2
parameter memory, 3 memory behind the external port. Addresses are those of register ADDRESS; so
rows of the weight and the parameter memory are padded to a power of two of bytes. The JSON part
holds names, layers and what is left to the host; a driver that only runs the model does not need
it.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

from celosia.compiler.self_test import CHECK, HEAD, SelfTest, pack, unpack
from celosia.errors import CelosiaError
from celosia.records import decode
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import EXTERNAL_ADDRESS_BITS, INSTRUCTION_BYTES

from .description import (
    MAX_RANK,
    Description,
    HostOp,
    HostTensor,
    InstructionInfo,
    LayerInfo,
    TensorPort,
    check_host,
    check_port,
    check_program,
    make_port,
)

__all__ = [
    "EXTERNAL_BYTES",
    "MAGIC",
    "MAX_BYTES",
    "MAX_RANK",
    "RECORDS",
    "VERSION",
    "HostOp",
    "HostTensor",
    "Image",
    "ImageError",
    "ImageSpace",
    "InstructionInfo",
    "LayerInfo",
    "Section",
    "TensorPort",
    "padded_rows",
]

MAGIC = b"CELOSIA\0"
VERSION = 3
#: No image can be larger; checked before anything is allocated.
MAX_BYTES = 1 << 28

_HEADER = struct.Struct("<8s14I")
_SECTION = struct.Struct("<4I")
_PORT = struct.Struct(f"<II{MAX_RANK}I{MAX_RANK}IifI")
#: The records above and the names of their fields, for drivers in other languages.
RECORDS = {
    "image": (
        _HEADER,
        "magic version length checksum fingerprint entry instructions sections inputs outputs "
        "text text_length profile cycles self_test",
    ),
    "section": (_SECTION, "space address length offset"),
    "tensor": (
        _PORT,
        f"address rank {'size ' * MAX_RANK}{'stride ' * MAX_RANK}zero_point scale element_bytes",
    ),
    "self_test": (HEAD, "seed checks"),
    "check": (CHECK, "instructions checksum text"),
}
_U32 = (1 << 32) - 1
#: Most bytes of the memory behind the external port.
EXTERNAL_BYTES = 1 << EXTERNAL_ADDRESS_BITS


class ImageError(CelosiaError):
    """An image file is damaged or belongs to something else."""


class ImageSpace(IntEnum):
    """Where a section goes; the first three are the spaces of the control port."""

    SCRATCH = 0
    WEIGHTS = 1
    PARAMETERS = 2
    EXTERNAL = 3


@dataclass(frozen=True)
class Section:
    """Bytes to be written to ``address`` of a space before the first run."""

    space: ImageSpace
    address: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Image:
    """A compiled model. ``graph_inputs`` and ``graph_outputs`` name the tensors of the model file
    in its order; those that are not among ``inputs`` and ``outputs`` belong to host operations."""

    model: str
    config: AcceleratorConfig
    entry: int
    profile_base: int
    sections: tuple[Section, ...]
    inputs: tuple[TensorPort, ...]
    outputs: tuple[TensorPort, ...]
    instructions: tuple[InstructionInfo, ...]
    layers: tuple[LayerInfo, ...]
    host: tuple[HostOp, ...] = ()
    graph_inputs: tuple[str, ...] = ()
    graph_outputs: tuple[str, ...] = ()
    #: Bytes of each memory in use, for reports.
    usage: dict[str, int] = field(default_factory=dict)
    #: Bytes a cycle that the prediction assumes of the external port.
    external_rate: float = 0.5
    #: What the accelerator has to answer to a known input.
    self_test: SelfTest | None = None

    @property
    def cycles(self) -> int:
        """Predicted clock cycles of a run."""
        return sum(info.cycles for info in self.instructions)

    @property
    def streams(self) -> bool:
        """Whether weights come from the memory behind the external port."""
        return any(section.space == ImageSpace.EXTERNAL for section in self.sections)

    @property
    def watchdog_cycles(self) -> int:
        """Cycles after which a run is ended: as memory outside may be slower than assumed, with
        much to spare."""
        return min(2 * self.cycles + 100_000, _U32)

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    def to_bytes(self) -> bytes:
        """The file's contents."""
        text = json.dumps(self._description(), separators=(",", ":")).encode()
        ports = [*self.inputs, *self.outputs]
        offset = _HEADER.size + _SECTION.size * len(self.sections) + _PORT.size * len(ports)
        table, body = b"", b""
        for section in self.sections:
            position = offset + len(body)
            table += _SECTION.pack(section.space, section.address, len(section.data), position)
            body += section.data + bytes(-len(section.data) % 4)
        table += b"".join(_pack_port(port) for port in ports)
        test = self.self_test_record()
        test_at = offset + len(body) if test else 0
        body += test
        total = offset + len(body) + len(text)
        header = [VERSION, total, 0, self.config.fingerprint, self.entry, len(self.instructions)]
        header += [len(self.sections), len(self.inputs), len(self.outputs)]
        header += [offset + len(body), len(text), self.profile_base, min(self.cycles, _U32)]
        header += [test_at]
        data = _HEADER.pack(MAGIC, *header) + table + body + text
        return data[:16] + zlib.crc32(data[20:]).to_bytes(4, "little") + data[20:]

    def self_test_record(self) -> bytes:
        """The known-answer test as it is in the file; empty if there is none."""
        return pack(self.self_test, self, _pack_port) if self.self_test is not None else b""

    def save(self, path: Path | str) -> None:
        Path(path).write_bytes(self.to_bytes())

    def _description(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "config": self.config.to_dict(),
            "inputs": [[port.name, port.tensor, port.dtype] for port in self.inputs],
            "outputs": [[port.name, port.tensor, port.dtype] for port in self.outputs],
            "instructions": [[i.opcode, i.layer, i.cycles] for i in self.instructions],
            "layers": [asdict(layer) for layer in self.layers],
            "host": [asdict(op) for op in self.host],
            "graph_inputs": self.graph_inputs,
            "graph_outputs": self.graph_outputs,
            "usage": self.usage,
            "external_rate": self.external_rate,
        }

    @classmethod
    def load(cls, path: Path | str, config: AcceleratorConfig | None = None) -> Image:
        """Reads and checks a file; with ``config``, also that it was compiled for that one.

        Raises:
            ImageError: the file cannot be read, is truncated or damaged, has another version, or
                was compiled for another configuration.
        """
        try:
            size = Path(path).stat().st_size
            if size > MAX_BYTES:
                raise ImageError(f"{path}: {size} bytes are too many for an image")
            data = Path(path).read_bytes()
        except OSError as error:
            raise ImageError(f"{path}: cannot be read: {error.strerror}") from None
        try:
            image = cls.from_bytes(data)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None
        if config is not None and config.fingerprint != image.config.fingerprint:
            raise ImageError(
                f"{path}: the image is for an accelerator with the fingerprint "
                f"{image.config.fingerprint:#010x}, this one has {config.fingerprint:#010x}; "
                "generate the model for this configuration"
            )
        return image

    @classmethod
    def from_bytes(cls, data: bytes) -> Image:
        """The image that ``to_bytes`` wrote.

        Raises:
            ImageError: as for ``load``.
        """
        if len(data) < _HEADER.size or data[:8] != MAGIC:
            raise ImageError("not an image of a model; generate it with 'celosia generate'")
        version, total, crc, fingerprint, entry, count, *rest = _HEADER.unpack_from(data)[1:]
        sections, inputs, outputs, text_at, text_length, profile_base, cycles, test_at = rest
        if version != VERSION:
            raise ImageError(
                f"version {version} of the image format is not supported, only {VERSION}; "
                "generate the image again"
            )
        if total != len(data):
            raise ImageError(f"the file should have {total} bytes but has {len(data)}")
        if crc != zlib.crc32(data[20:]):
            raise ImageError("the checksum is wrong, so the file is damaged; generate it again")
        try:
            text = decode(_part(data, text_at, text_length), Description)
            config = AcceleratorConfig.from_record(text.config)
            if config.fingerprint != fingerprint:
                raise ImageError("the fingerprint is not that of the configuration inside")
            named = [*text.inputs, *text.outputs]
            if [len(text.inputs), len(text.outputs), len(text.instructions)] != [
                inputs,
                outputs,
                count,
            ]:
                raise ImageError("header and description disagree")
            position = _HEADER.size + _SECTION.size * sections
            ports = []
            for number, (name, tensor, dtype) in enumerate(named):
                raw = _part(data, position + _PORT.size * number, _PORT.size)
                ports.append(_unpack_port(raw, config, name=name, tensor=tensor, dtype=dtype))
            image = cls(
                model=text.model,
                config=config,
                entry=entry,
                profile_base=profile_base,
                sections=tuple(_unpack_section(data, i, config) for i in range(sections)),
                inputs=tuple(ports[:inputs]),
                outputs=tuple(ports[inputs:]),
                instructions=tuple(InstructionInfo(*info) for info in text.instructions),
                layers=text.layers,
                host=text.host,
                graph_inputs=text.graph_inputs,
                graph_outputs=text.graph_outputs,
                usage=text.usage,
                external_rate=text.external_rate,
            )
            image._check(cycles)
            if test_at:
                image = replace(image, self_test=unpack(data[test_at:], image, _pack_port))
        except ValueError as error:  # a ConfigError, too
            raise ImageError(f"the description is damaged ({error}); generate it again") from None
        return image

    def _check(self, cycles: int) -> None:
        """Raises ValueError unless the parts fit together, and to the ``cycles`` of the header."""
        if cycles != min(self.cycles, _U32):
            raise ValueError("its cycles are not those of the header")
        check_program(
            self.config,
            self.instructions,
            self.layers,
            entry=self.entry,
            profile_base=self.profile_base,
        )
        check_host([*self.inputs, *self.outputs], self.host)
        end = self.entry + INSTRUCTION_BYTES * len(self.instructions)
        if not any(
            section.space == ImageSpace.SCRATCH
            and section.address <= self.entry
            and end <= section.address + len(section.data)
            for section in self.sections
        ):
            raise ValueError("no section has the program")


def padded_rows(data: bytes, row: int, stride: int) -> bytes:
    """Rows of ``row`` bytes, each with zeros behind it up to ``stride`` bytes."""
    if row == stride:
        return data
    rows = (data[i : i + row] for i in range(0, len(data), row))
    return b"".join(content.ljust(stride, b"\0") for content in rows)


def _part(data: bytes, offset: int, length: int) -> bytes:
    if offset + length > len(data):
        raise ImageError(f"a part of {length} bytes at {offset} lies beyond the end of the file")
    return data[offset : offset + length]


def _unpack_section(data: bytes, index: int, config: AcceleratorConfig) -> Section:
    raw = _part(data, _HEADER.size + index * _SECTION.size, _SECTION.size)
    space, address, length, offset = _SECTION.unpack(raw)
    try:
        kind = ImageSpace(space)
    except ValueError:
        raise ImageError(f"section {index} is for an unknown space {space}") from None
    capacity = {
        ImageSpace.SCRATCH: config.scratch_bytes,
        ImageSpace.WEIGHTS: config.weight_bytes,
        ImageSpace.PARAMETERS: config.parameter_bytes,
        ImageSpace.EXTERNAL: EXTERNAL_BYTES,
    }[kind]
    if address + length > capacity or address % 4 or length % 4:
        raise ImageError(
            f"section {index} has {length} bytes at {address}, which {kind.name} cannot hold"
        )
    return Section(kind, address, _part(data, offset, length))


def _pack_port(port: TensorPort) -> bytes:
    def six(values: tuple[int, ...]) -> list[int]:
        return [*values, *[0] * (MAX_RANK - len(values))]

    return _PORT.pack(
        port.address,
        len(port.shape),
        *six(port.shape),
        *six(port.strides),
        port.zero_point,
        port.scale,
        1,
    )


def _unpack_port(raw: bytes, config: AcceleratorConfig, **described: object) -> TensorPort:
    address, rank, *rest = _PORT.unpack(raw)
    *_, zero_point, scale, element = rest
    if rank > MAX_RANK or element != 1:
        raise ImageError(
            f"tensor {described['name']!r} has {rank} dimensions and elements of {element} bytes; "
            f"at most {MAX_RANK} are possible, and bytes"
        )
    port = make_port(
        shape=rest[:rank],
        strides=rest[MAX_RANK : MAX_RANK + rank],
        address=address,
        zero_point=zero_point,
        scale=scale,
        **described,
    )
    check_port(port, config)
    return port
