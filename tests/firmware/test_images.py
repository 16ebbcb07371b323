# SPDX-License-Identifier: BSD-2-Clause
"""The driver's reading of images: truncated, damaged, hostile; under the address sanitizer."""

from __future__ import annotations

import math
import struct
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.firmware.conftest import SANITIZERS, Compile
from tests.firmware.driver import CError

from celosia.compiler.image import RECORDS, VERSION, Image, ImageSpace, Section
from celosia_hw.config import AcceleratorConfig

HEADER, SECTION, TENSOR = (RECORDS[name][0] for name in ("image", "section", "tensor"))
SIZES = [layout.size for layout in (HEADER, SECTION, TENSOR)]
MOST_TENSORS = 4


@pytest.fixture(scope="module")
def checker(compile_c: Compile) -> Path:
    source = Path(__file__).with_name("check_images.c")
    return compile_c("check_images", source, options=("-O1", *SANITIZERS))


def check(checker: Path, config: AcceleratorConfig, images: list[bytes]) -> list[str]:
    """What the driver says about each."""
    sizes = (config.fingerprint, config.scratch_bytes, config.weight_bytes, config.parameter_bytes)
    stream = b"".join(struct.pack("<I", len(image)) + image for image in images)
    done = subprocess.run([checker, *map(str, sizes)], input=stream, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(images)
    return lines


def sealed(image: bytes) -> bytes:
    """With a length and a checksum that are right."""
    image = image[:12] + struct.pack("<I", len(image)) + image[16:]
    return image[:16] + struct.pack("<I", zlib.crc32(image[20:])) + image[20:]


def expected(data: bytes, config: AcceleratorConfig) -> str:
    """What the driver must say: the same checks, written from the format's description."""
    error = _error(data, config)
    if error != CError.OK:
        return str(int(error))
    sections, inputs, outputs = struct.unpack_from("<3I", data, 32)
    spaces = [struct.unpack_from("<I", data, 64 + 16 * i)[0] for i in range(sections)]
    words = ["0", str(int(ImageSpace.EXTERNAL in spaces))]
    for i in range(inputs + outputs):
        rank, *shape = struct.unpack_from("<7I", data, 64 + 16 * sections + 68 * i + 4)
        words.append(str(math.prod(shape[:rank])))
    return " ".join(words)


def _error(data: bytes, config: AcceleratorConfig) -> CError:
    if len(data) < 64 or data[:8] != b"CELOSIA\0":
        return CError.IMAGE
    version, length, crc, fingerprint, entry, instructions, sections, inputs, outputs = (
        struct.unpack_from("<9I", data, 8)
    )
    profile = struct.unpack_from("<I", data, 52)[0]
    scratch = config.scratch_bytes
    if version != VERSION:
        return CError.IMAGE_VERSION
    if length != len(data):
        return CError.IMAGE_LENGTH
    if crc != zlib.crc32(data[20:]):
        return CError.IMAGE_CHECKSUM
    if fingerprint != config.fingerprint:
        return CError.CONFIG
    if entry % 4 or profile % 4 or 4 * instructions > scratch or sections > len(data) // 16:
        return CError.IMAGE_CONTENT
    if entry >= scratch or profile + 4 * instructions > scratch:
        return CError.SPACE
    if inputs + outputs > MOST_TENSORS:
        return CError.TENSORS
    if 64 + 16 * sections + 68 * (inputs + outputs) > len(data):
        return CError.IMAGE_CONTENT
    capacity = (scratch, config.weight_bytes, config.parameter_bytes, 1 << 33)
    for i in range(sections):
        space, address, size, offset = struct.unpack_from("<4I", data, 64 + 16 * i)
        if space > 3 or address % 4 or size % 4 or offset + size > len(data):
            return CError.IMAGE_CONTENT
        if address + size > capacity[space]:
            return CError.SPACE
    for i in range(inputs + outputs):
        start = 64 + 16 * sections + 68 * i
        address, rank, *rest = struct.unpack_from("<2I12Ii4xI", data, start)
        if rank > 6 or rest[13] != 1 or not -128 <= rest[12] <= 255:
            return CError.IMAGE_CONTENT
        if address >= scratch:
            return CError.SPACE
        last = 0
        for size, stride in reversed(list(zip(rest[:rank], rest[6 : 6 + rank], strict=True))):
            if size == 0 or (size > 1 and stride <= last):
                return CError.IMAGE_CONTENT
            if size > 1:
                last += (size - 1) * stride
            if address + last >= scratch:
                return CError.SPACE
    return CError.OK


def test_good_images(checker: Path, digits_image: Image) -> None:
    flash = Section(ImageSpace.EXTERNAL, 1 << 28, bytes(8))
    several = replace(digits_image, sections=(*digits_image.sections, flash))
    images = [image.to_bytes() for image in (digits_image, several)]
    assert check(checker, digits_image.config, images) == ["0 0 64 10", "0 1 64 10"]


def test_images_of_any_length_but_the_right_one(checker: Path, digits_image: Image) -> None:
    data = digits_image.to_bytes()
    images = [data[:length] for length in (*range(400), *range(400, len(data), 97))]
    images.append(data + b"\0")
    found = check(checker, digits_image.config, images)
    wanted = [CError.IMAGE if len(i) < 64 else CError.IMAGE_LENGTH for i in images]
    assert found == [str(int(error)) for error in wanted]


def test_truncated_images_that_are_sealed(checker: Path, digits_image: Image) -> None:
    data = digits_image.to_bytes()
    images = [sealed(data[:length]) for length in (*range(64, 400), *range(400, len(data), 97))]
    found = check(checker, digits_image.config, images)
    assert found == [expected(image, digits_image.config) for image in images]
    assert found.count(str(int(CError.IMAGE_CONTENT))) > 100


def test_a_damaged_byte_is_always_found(checker: Path, digits_image: Image) -> None:
    data = digits_image.to_bytes()
    rng = np.random.default_rng(5)
    images = []
    for position in (*range(300), *rng.integers(300, len(data), 200).tolist()):
        image = bytearray(data)
        image[position] ^= 1 << int(rng.integers(8))
        images.append(bytes(image))
    found = check(checker, digits_image.config, images)
    assert found == [expected(image, digits_image.config) for image in images]
    assert not any(line.startswith("0 ") for line in found)


@pytest.mark.parametrize("seed", range(6))
def test_hostile_images(checker: Path, digits_image: Image, seed: int) -> None:
    """Good checksums around bad numbers: small ones, huge ones, and those at a limit."""
    rng = np.random.default_rng(seed)
    config = digits_image.config
    data = digits_image.to_bytes()
    edges = [0, 1, 2, 3, 4, 5, 6, 7, 8, 64, 255, 256, 65536, 1 << 20, 1 << 28, 1 << 30, 1 << 31]
    edges += [(1 << 32) - 1, (1 << 32) - 4, config.scratch_bytes, config.scratch_bytes - 4]
    edges += [config.weight_bytes, config.parameter_bytes, len(data), len(data) - 4]
    images = []
    for _ in range(1500):
        image = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            # Fields of the header from the entry on, of the sections and of the tensors.
            field = 4 * int(rng.integers(6, (64 + 3 * 16 + 2 * 68) // 4))
            value = int(rng.choice(edges)) if rng.random() < 0.8 else int(rng.integers(1 << 32))
            if rng.random() < 0.2:
                value = (struct.unpack_from("<I", image, field)[0] + value) % (1 << 32)
            struct.pack_into("<I", image, field, value)
        images.append(sealed(bytes(image)))
    found = check(checker, config, images)
    assert found == [expected(image, config) for image in images]
    assert len(set(found)) > 6


def test_the_tensors_that_fit(checker: Path, digits_image: Image) -> None:
    port = digits_image.inputs[0]
    for inputs, line in ((4, "0 0 64 64 64 64"), (5, str(int(CError.TENSORS)))):
        image = replace(digits_image, inputs=(port,) * inputs, outputs=())
        assert check(checker, digits_image.config, [image.to_bytes()]) == [line]
