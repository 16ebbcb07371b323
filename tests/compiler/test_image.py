# SPDX-License-Identifier: BSD-2-Clause
"""The image file: what is written is read back, and nothing damaged is accepted."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image, ImageError, ImageSpace, Section
from celosia.compiler.self_test import SelfTest, checks
from celosia.graph.ir import Graph
from celosia_hw.config import AcceleratorConfig


@pytest.fixture
def image(network: Any, load: Callable[[bytes], Graph]) -> Image:
    x = network.input(1, 6, 5, 3)
    y = network.builder.softmax(network.dense(network.conv(x, 4, (3, 3)), 5, 120))
    return compile_graph(network.load(load, y), AcceleratorConfig(multiplier_bits=30))


def sealed(data: bytes) -> bytes:
    """``data`` with the checksum that belongs to it."""
    return data[:16] + zlib.crc32(data[20:]).to_bytes(4, "little") + data[20:]


def test_round_trip(image: Image, tmp_path: Path) -> None:
    image.save(tmp_path / "model.image")
    assert Image.load(tmp_path / "model.image", image.config) == image
    assert [op.op for op in image.host] == ["Softmax"]
    assert image.graph_outputs == (image.host[0].output["name"],)


def test_every_truncation_is_noticed(image: Image) -> None:
    data = image.to_bytes()
    for length in [*range(80), *range(80, len(data), 97)]:
        with pytest.raises(ImageError):
            Image.from_bytes(data[:length])
    with pytest.raises(ImageError, match=rf"should have {len(data)} bytes but has {len(data) + 1}"):
        Image.from_bytes(data + b"\0")


def test_every_damaged_byte_is_noticed(image: Image) -> None:
    data = image.to_bytes()
    rng = np.random.default_rng(1)
    for position in [*range(64), *rng.integers(0, len(data), 300).tolist()]:
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(rng.integers(8))
        with pytest.raises(ImageError):
            Image.from_bytes(bytes(damaged))


def test_damage_behind_a_valid_checksum(image: Image) -> None:
    """Whatever the header says is checked before it is used."""
    data = image.to_bytes()
    rng = np.random.default_rng(2)
    accepted = 0
    for _ in range(1500):
        damaged = bytearray(data)
        position = int(rng.integers(20, 400) if rng.random() < 0.7 else rng.integers(20, len(data)))
        damaged[position] = int(rng.integers(256))
        try:
            Image.from_bytes(sealed(bytes(damaged)))
        except ImageError:
            continue
        accepted += 1
    # Addresses, weights and the like may have any value.
    assert accepted < 1400


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (8, 4, "version 4 of the image format is not supported"),
        (20, 1, "fingerprint is not that of the configuration"),
        (32, 1 << 20, "lies beyond the end|unknown space"),
        (36, 7, "disagree|beyond the end"),
        (64, 9, "section 0 is for an unknown space 9"),
        (68, 1 << 20, "which SCRATCH cannot hold"),
    ],
)
def test_messages(image: Image, offset: int, value: int, message: str) -> None:
    data = bytearray(image.to_bytes())
    data[offset : offset + 4] = value.to_bytes(4, "little")
    with pytest.raises(ImageError, match=message):
        Image.from_bytes(sealed(bytes(data)))


def test_another_configuration(image: Image, tmp_path: Path) -> None:
    image.save(tmp_path / "model.image")
    other = replace(image.config, weight_depth=1024)
    with pytest.raises(ImageError, match="generate the model for this configuration"):
        Image.load(tmp_path / "model.image", other)


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        Image.load(tmp_path / "model.image")


def test_sections_are_whole_units(image: Image) -> None:
    assert all(len(s.data) % 4 == 0 == s.address % 4 for s in image.sections)
    extra = Section(ImageSpace.EXTERNAL, 4, bytes(range(8)))
    changed = replace(image, sections=(*image.sections, extra))
    assert Image.from_bytes(changed.to_bytes()).sections[-1] == extra


def test_known_answers_are_read_back(image: Image) -> None:
    tested = replace(image, self_test=SelfTest(7, tuple(range(100, 100 + len(checks(image))))))
    data = tested.to_bytes()
    assert Image.from_bytes(data) == tested
    assert tested.self_test_record() in data
    assert Image.from_bytes(image.to_bytes()).self_test is None
    # What a reader of before sees is the same but for the header, and what it does not look at.
    record = tested.self_test_record()
    assert data.replace(record, b"")[64 : -len(record)] == image.to_bytes()[64 : -len(record)]


def test_known_answers_must_be_those_of_the_layers(image: Image) -> None:
    """Every byte but the seed and the checksums follows from the rest of the file."""
    tested = replace(image, self_test=SelfTest(7, tuple(range(100, 100 + len(checks(image))))))
    data = tested.to_bytes()
    record = tested.self_test_record()
    begin = data.index(record)
    free = {*range(4)} | {8 + 124 * i + 4 + j for i in range(len(checks(image))) for j in range(4)}
    for position in range(len(record)):
        damaged = bytearray(data)
        damaged[begin + position] ^= 0x10
        if position in free:
            assert Image.from_bytes(sealed(bytes(damaged))).self_test != tested.self_test
            continue
        with pytest.raises(ImageError, match="description is damaged .*known answers"):
            Image.from_bytes(sealed(bytes(damaged)))
    for offset in (len(data), len(data) - 3, 64, 1 << 31):
        damaged = bytearray(data)
        damaged[60:64] = offset.to_bytes(4, "little")
        with pytest.raises(ImageError, match="known answers"):
            Image.from_bytes(sealed(bytes(damaged)))
    with pytest.raises(ImageError, match="known answers"):
        Image.from_bytes(sealed(data[:begin] + bytes(4) + data[begin + 4 :]))
