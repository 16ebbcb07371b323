# SPDX-License-Identifier: BSD-2-Clause
"""The known-answer test of an image: an input, and a checksum of what each layer makes of it.

The record in the image's file (docs/files.md), all numbers u32 and little-endian:

====== ================================================================
offset
====== ================================================================
0      seed of the input
4      number of checks
8      checks of 124 bytes: number of instructions that are complete before the
       tensor is read (all of them: at the end of the run), CRC-32 of its
       elements, 48 bytes of text ("Conv2D conv_1", zeros behind it), the
       tensor as inputs and outputs are described
====== ================================================================
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from celosia.graph.ir import Array
from celosia.layer_names import short_name

if TYPE_CHECKING:
    from celosia.compiler.image import Image, TensorPort

#: Bytes of a check's text, with a zero at the end.
TEXT_BYTES = 48
HEAD = struct.Struct("<2I")
CHECK = struct.Struct(f"<2I{TEXT_BYTES}s")
_U32 = (1 << 32) - 1


@dataclass(frozen=True)
class SelfTest:
    """``seed`` decides the input; ``checksums`` has a CRC-32 for each of the image's ``checks``."""

    seed: int
    checksums: tuple[int, ...]


@dataclass(frozen=True)
class Check:
    """``port`` is read once so many instructions are complete. ``layer`` and ``op`` name what
    computed it; ``op`` is "output" for an output at the end of the run."""

    instructions: int
    port: TensorPort
    layer: str
    op: str

    @property
    def text(self) -> str:
        return f"{self.op} {short_name(self.layer)}"


def checks(image: Image) -> list[Check]:
    """What is compared: each layer's result before another layer can overwrite it, then the
    outputs as they are at the end."""
    found = [
        Check(layer.last + 1, layer.output, layer.name, layer.op)
        for layer in image.layers
        if layer.output is not None
    ]
    end = len(image.instructions)
    return found + [Check(end, port, port.name, "output") for port in image.outputs]


def known_input(seed: int, ports: Sequence[TensorPort]) -> list[Array]:
    """An array for each input, of its shape and type.

    The bytes are the highest ones of the states of a 32-bit xorshift generator (Marsaglia 2003,
    shifts 13, 17 and 5) behind ``seed``, in the order of the inputs and of their elements.
    """
    state, arrays = seed, []
    for port in ports:
        data = bytearray(int(np.prod(port.shape, dtype=np.int64)))
        for i in range(len(data)):
            state ^= state << 13 & _U32
            state ^= state >> 17
            state ^= state << 5 & _U32
            data[i] = state >> 24
        arrays.append(np.frombuffer(bytes(data), np.dtype(port.dtype)).reshape(port.shape))
    return arrays


def checksum(values: Array) -> int:
    """CRC-32 of an 8-bit tensor's elements in order of their indices, the last one fastest."""
    return zlib.crc32(values.tobytes())


def pack(test: SelfTest, image: Image, pack_port: Callable[[TensorPort], bytes]) -> bytes:
    """The record in the file. ``pack_port`` describes a tensor."""
    found = checks(image)
    record = HEAD.pack(test.seed, len(found))
    for check, expected in zip(found, test.checksums, strict=True):
        text = _cut(check.text.encode("utf-8", "replace"))
        record += CHECK.pack(check.instructions, expected, text) + pack_port(check.port)
    return record


def unpack(record: bytes, image: Image, pack_port: Callable[[TensorPort], bytes]) -> SelfTest:
    """The test in a file's bytes from ``record`` on.

    Raises:
        ValueError: it is not what ``pack`` writes for this image.
    """
    if len(record) < HEAD.size:
        raise ValueError("the known answers are cut off")
    seed, count = HEAD.unpack_from(record)
    found = checks(image)
    if not seed or count != len(found):
        raise ValueError("the known answers are not those of the layers")
    stride = CHECK.size + len(pack_port(found[0].port)) if found else 0
    length = HEAD.size + stride * count
    if len(record) < length:
        raise ValueError("the known answers are cut off")
    sums = (CHECK.unpack_from(record, HEAD.size + stride * i)[1] for i in range(count))
    test = SelfTest(seed, tuple(sums))
    order = [check.instructions for check in found]
    if order != sorted(order) or not all(0 < n <= len(image.instructions) for n in order):
        raise ValueError("the layers are not in the order of their instructions")
    if pack(test, image, pack_port) != record[:length]:
        raise ValueError("the known answers are not those of the layers")
    return test


def _cut(text: bytes) -> bytes:
    """Whole characters only."""
    return text[: TEXT_BYTES - 1].decode("utf-8", "ignore").encode()
