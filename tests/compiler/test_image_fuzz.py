# SPDX-License-Identifier: BSD-2-Clause
"""Images with a checksum that is right and contents that are not: an ImageError, or an image that
all that reads one can use."""

from __future__ import annotations

import contextlib
import copy
import json
import random
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from celosia.compiler.boot import flash_content
from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image, ImageError
from celosia.errors import CelosiaError
from celosia.firmware.model_header import model_header
from celosia.host.operations import run_operations
from celosia.host.signature import Signature
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia.tensors import counters_bytes, from_bytes, layer_cycles, span, to_bytes
from celosia_hw.config import AcceleratorConfig
from celosia_sim.accelerator import job_for
from celosia_sim.random_models import random_model
from celosia_sim.tflite_writer import ModelBuilder, per_tensor

MUTANTS = 1000
#: Offsets of the header's fields, docs of celosia.compiler.image.
LENGTH, CHECKSUM, INPUTS, OUTPUTS, TEXT, TEXT_LENGTH = 12, 16, 36, 40, 44, 48
#: Numbers beyond one limit or another, and what is no number.
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 3, 255, 256, 1.5, 1e308, -1e-320, 10**308, 1 << 20),
    *((1 << 32) - 1, 1 << 32, 1 << 53, 1 << 63, 1 << 64, "", "Softmax", "int8", "float32", "4"),
    *([], {}, [[]], {"a": 1}, "\ud800", "x" * 100_000, float("nan"), float("inf"), [1] * 33),
)


def rebuilt(data: bytes, text: bytes) -> bytes:
    """The image with another JSON part, and lengths and checksum that belong to it."""
    (at,) = struct.unpack_from("<I", data, TEXT)
    changed = bytearray(data[:at] + text)
    struct.pack_into("<I", changed, LENGTH, len(changed))
    struct.pack_into("<I", changed, TEXT_LENGTH, len(text))
    return sealed(changed)


def sealed(data: bytearray) -> bytes:
    struct.pack_into("<I", data, CHECKSUM, zlib.crc32(data[20:]))
    return bytes(data)


def text_of(data: bytes) -> bytes:
    at, length = struct.unpack_from("<II", data, TEXT)
    return data[at : at + length]


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """All containers below ``node`` with each of their keys."""
    for key in node if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


def mutate_tree(data: bytes, rng: random.Random) -> bytes:
    tree = json.loads(text_of(data))
    for _ in range(rng.choice((1, 1, 1, 2))):
        node, key = rng.choice(list(places(tree)))
        match rng.randrange(6):
            case 0:
                del node[key]
            case 1 if isinstance(node, dict):
                node[f"{key}x"] = node.pop(key)
            case 2 if isinstance(node, list):
                node.insert(key, copy.deepcopy(node[key]))
            case 3:
                # Of the same kind as a rule, so that more than the type has to be looked at.
                other, name = rng.choice(list(places(tree)))
                node[key] = copy.deepcopy(other[name])
            case 4 if isinstance(node[key], int):
                node[key] += rng.choice((-1, 1, 64, -128, 1 << 16))
            case _:
                node[key] = rng.choice(HOSTILE)
    return rebuilt(data, json.dumps(tree).encode())


def mutate_text(data: bytes, rng: random.Random) -> bytes:
    text = bytearray(text_of(data))
    at = rng.randrange(len(text))
    match rng.randrange(4):
        case 0:
            text[at] ^= 1 << rng.randrange(8)
        case 1:
            text[at:at] = rng.choice((b"[", b'{"a":', b"\xff", b"9", b'"', b"\0")) * rng.choice(
                (1, 100_000)
            )
        case 2:
            del text[at:]
        case _:
            text[at : at + 1] = rng.choice((b"e", b"-", b"1e308", b"NaN", b"null", b"{}"))
    return rebuilt(data, bytes(text))


def mutate_header(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    sections, inputs, outputs = struct.unpack_from("<3I", data, 32)
    end = 64 + 16 * sections + 68 * (inputs + outputs)
    for _ in range(rng.choice((1, 1, 2))):
        offset = 4 * rng.randrange(5, end // 4)
        (value,) = struct.unpack_from("<I", changed, offset)
        values = (0, 1, 4, 64, 1 << 16, (1 << 20) - 1, 1 << 31, (1 << 32) - 1, value + 1, value - 4)
        struct.pack_into("<I", changed, offset, rng.choice((*values, rng.getrandbits(32))) % 2**32)
    return sealed(changed)


def use(image: Image, rng: np.random.Generator) -> None:
    """All that is done with an image but sending it to a device and running it there."""
    assert Image.from_bytes(image.to_bytes()) == image
    signature = Signature(image)
    given = {info.name: rng.normal(size=(1, *info.shape)) for info in signature.inputs}
    (sample,) = signature.samples(given)
    values = dict(sample)
    run_operations([op for op in image.host if op.op == "Quantize"], values)
    inputs = [values[port.tensor] for port in image.inputs]
    job = job_for(image, [inputs], by_layer=True)
    assert job.watchdog < 1 << 32
    for port, array in zip(image.inputs, inputs, strict=True):
        assert np.array_equal(from_bytes(port, to_bytes(port, array)), array.reshape(port.shape))
    for port in image.outputs:
        values[port.tensor] = from_bytes(port, rng.bytes(span(port)))
    run_operations(image.host, values)
    for info in signature.outputs:
        assert values[info.tensor].shape == info.shape
    assert len(layer_cycles(image, bytes(counters_bytes(image)))) == len(image.layers)
    model_header(image, 24.0)
    flash_content(image)


def reshaped_softmax() -> bytes:
    builder = ModelBuilder()
    x = builder.input("x", (1, 12), per_tensor(0.1))
    weights = np.random.default_rng(1).integers(-127, 128, (6, 12)).astype(np.int8)
    y = builder.fully_connected(x, weights, None, per_tensor(0.01), per_tensor(0.2))
    builder.output(builder.reshape(builder.softmax(y), (2, 3)))
    return builder.build()


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Images with all operations that a host has."""
    config = AcceleratorConfig(accumulator_bits=32, chain_bits=28, multiplier_bits=32)
    file = tmp_path_factory.mktemp("models") / "m.tflite"
    found: dict[tuple[str, ...], bytes] = {}
    for model in (reshaped_softmax(), *map(random_model, range(40))):
        file.write_bytes(model)
        try:
            image = compile_graph(optimize(load_tflite(file)), config)
        except CelosiaError:
            continue
        found.setdefault(tuple(sorted({op.op for op in image.host})), image.to_bytes())
    assert {op for ops in found for op in ops} == {"Quantize", "Dequantize", "Softmax", "Reshape"}
    return list(found.values())


@pytest.mark.parametrize("mutate", [mutate_tree, mutate_text, mutate_header])
def test_mutants_are_refused_or_of_use(
    originals: list[bytes], mutate: Callable[[bytes, random.Random], bytes]
) -> None:
    rng = random.Random(5)
    numbers = np.random.default_rng(5)
    accepted = 0
    slowest = 0.0
    for number in range(MUTANTS):
        data = mutate(originals[number % len(originals)], rng)
        began = time.process_time()
        # Nothing else than these errors may come.
        with contextlib.suppress(ImageError):
            image = Image.from_bytes(data)
            accepted += 1
            with contextlib.suppress(CelosiaError):
                use(image, numbers)
        slowest = max(slowest, time.process_time() - began)
    # Names, weights and predicted cycles can be anything.
    assert 0 < accepted < MUTANTS // 3
    assert slowest < 5
