# SPDX-License-Identifier: BSD-2-Clause
"""The driver against the model of the protocol's endpoint: loads, runs, tensors, every error."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_uint32
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.firmware.driver import CError, Link, Model, Status, source_of

from celosia.arithmetic.softmax import softmax_parameters
from celosia.compiler.image import Image, TensorPort
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia.tensors import span, to_bytes
from celosia_hw.isa import Boot, Error, Register, Space
from celosia_hw.link.protocol import answer, stuff
from celosia_sim.link_model import Endpoint, Memories
from celosia_sim.link_program import program_runner
from celosia_sim.reference import run as run_reference

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


def opened(library: ctypes.CDLL, memories: Memories, *, most: int = 32, attempts: int = 0) -> Link:
    link = Link(library, Endpoint(memories, last=77), most=most, attempts=attempts)
    assert link.call("open") == CError.OK
    return link


@pytest.fixture
def loaded(library: ctypes.CDLL, digits_image: Image) -> tuple[Link, Model, Memories]:
    """The example on an accelerator whose runs change nothing."""
    memories = Memories(digits_image.config)
    link = opened(library, memories)
    error, model = link.load(digits_image.to_bytes())
    assert error == CError.OK
    return link, model, memories


@pytest.mark.parametrize("most", [1, 3, 32])
def test_the_example_equals_the_reference(
    library: ctypes.CDLL, digits_image: Image, most: int
) -> None:
    image = digits_image
    runner = program_runner(image)
    memories = Memories(image.config, runner, busy_polls=3)
    for content in memories.memory.values():
        content[:] = np.random.default_rng(3).bytes(len(content))
    before = {space: bytes(content) for space, content in memories.memory.items()}
    link = opened(library, memories, most=most)
    error, model = link.load(image.to_bytes())
    assert error == CError.OK
    for section in image.sections:
        content = bytearray(before[section.space])
        content[section.address : section.address + len(section.data)] = section.data
        assert memories.memory[section.space] == content, section.space
    registers = memories.registers
    assert registers[Register.START] == image.entry
    assert registers[Register.WATCHDOG] == 2 * image.cycles + 100_000
    assert registers[Register.BREAKPOINT] == 0
    assert (model.image_bytes, model.cycles) == (len(image.to_bytes()), image.cycles)
    assert not model.external

    graph = optimize(load_tflite(DIGITS / "digits.tflite"))
    images = np.load(DIGITS / "images.npy")[:3]
    constants = softmax_parameters(image.host[0].input["scale"], image.host[0].attributes["beta"])
    for picture in images:
        error, logits = link.run(model, picture.tobytes())
        assert error == CError.OK
        assert link.device.cycles == image.cycles
        values = run_reference(graph, picture[None], keep=True)
        assert logits == values[image.outputs[0].tensor].tobytes()
        found = ctypes.create_string_buffer(logits, len(logits))
        library.celosia_softmax(found, found, len(logits), *constants)
        assert found.raw == values[graph.outputs[0]].tobytes()
        best = library.celosia_argmax(found, len(logits))
        assert best == int(np.argmax(values[graph.outputs[0]]))
    assert link.timeouts == 3 * 3  # only the pauses between polls


def test_all_is_read_and_written_a_piece_at_a_time(
    library: ctypes.CDLL, digits_image: Image
) -> None:
    memories = Memories(digits_image.config)
    link = opened(library, memories)
    content = np.random.default_rng(1).bytes(5000)
    content += b"\x7e\x7d" * 500
    scratch = memories.memory[Space.SCRATCH]
    assert link.call("write", 0, 1236, content, len(content)) == CError.OK
    assert scratch[1236:7236] == content
    assert not any(scratch[:1236])
    assert not any(scratch[7236:])
    found = ctypes.create_string_buffer(len(content))
    assert link.call("read", 0, 1236, found, len(content)) == CError.OK
    assert found.raw == content
    assert link.call("read", 0, 2, found, 4) == CError.ARGUMENT
    assert link.call("write", 0, 4, found, 3) == CError.ARGUMENT


def random_port(rng: np.random.Generator, room: int) -> TensorPort:
    """Elements in order of address, with gaps, of any rank, anywhere in ``room`` bytes."""
    while True:
        shape = tuple(int(n) for n in rng.integers(1, 9, rng.integers(0, 7)))
        strides: list[int] = []
        last = 0
        for size in reversed(shape):
            stride = last + int(rng.integers(1, rng.choice([2, 5, 40])))
            # The distance of a single element means nothing.
            strides.insert(0, stride if size > 1 else int(rng.integers(0, 1 << 20)))
            last += (size - 1) * stride
        if last < 6000:
            break
    address = room - 1 - last if rng.random() < 0.2 else int(rng.integers(0, room - last))
    zero_point = int(rng.integers(-128, 128))
    return TensorPort("t", 0, "int8", shape, address, tuple(strides), 0.5, zero_point)


def flat(port: TensorPort) -> TensorPort:
    """The same with strides that numpy takes."""
    pairs = zip(port.shape, port.strides, strict=True)
    return replace(port, strides=tuple(s if n > 1 else 1 for n, s in pairs))


@pytest.mark.parametrize("seed", range(8))
def test_tensors_are_written_and_read_byte_for_byte(
    library: ctypes.CDLL, digits_image: Image, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    memories = Memories(digits_image.config)
    scratch = memories.memory[Space.SCRATCH]
    for _ in range(12):
        link = opened(library, memories)
        ports = tuple(random_port(rng, len(scratch)) for _ in range(4))
        image = replace(digits_image, sections=(), inputs=ports[:2], outputs=ports[2:])
        error, model = link.load(image.to_bytes())
        assert error == CError.OK
        scratch[:] = rng.bytes(len(scratch))
        expected = bytearray(scratch)
        inputs = b""
        for port in ports[:2]:
            values = rng.integers(-128, 128, port.shape).astype(np.int8)
            inputs += values.tobytes()
            expected[port.address : port.address + span(flat(port))] = to_bytes(flat(port), values)
        error, outputs = link.run(model, inputs)
        assert error == CError.OK
        assert scratch == expected
        wanted = b""
        for port in map(flat, ports[2:]):
            part = np.frombuffer(bytes(expected[port.address :]), np.uint8)
            wanted += np.lib.stride_tricks.as_strided(part, port.shape, port.strides).tobytes()
        assert outputs == wanted


def test_unsigned_inputs_have_unsigned_zero_points(
    library: ctypes.CDLL, digits_image: Image
) -> None:
    memories = Memories(digits_image.config)
    link = opened(library, memories)
    port = TensorPort("t", 0, "uint8", (2, 2), 101, (8, 2), 0.5, 200)
    error, model = link.load(replace(digits_image, inputs=(port,), outputs=()).to_bytes())
    assert error == CError.OK
    assert link.run(model, bytes((0, 255, 3, 4))) == (CError.OK, b"")
    assert memories.memory[0][100:112] == bytes(
        (0, 0, 200, 255, 200, 200, 200, 200, 200, 3, 200, 4)
    )


@pytest.mark.parametrize("cycles", [0, 1, (2**32 - 1) // 2 - 50_000, 2**31, 2**32 - 1])
def test_the_watchdog_saturates(library: ctypes.CDLL, digits_image: Image, cycles: int) -> None:
    memories = Memories(digits_image.config)
    link = opened(library, memories)
    instructions = (replace(digits_image.instructions[0], cycles=cycles),)
    image = replace(digits_image, instructions=instructions)
    assert link.load(image.to_bytes())[0] == CError.OK
    assert memories.registers[Register.WATCHDOG] == min(2 * cycles + 100_000, 2**32 - 1)


def test_counters_and_status(loaded: tuple[Link, Model, Memories]) -> None:
    link, model, memories = loaded
    count = model.instructions - 1
    expected = np.random.default_rng(0).integers(0, 1 << 32, count, dtype=np.uint32)
    memories.memory[0][model.profile : model.profile + 4 * count] = expected.tobytes()
    found = (c_uint32 * count)()
    assert link.call("counters", byref(model), 2, count - 2, byref(found)) == CError.OK
    assert list(found)[: count - 2] == expected[2:].tolist()
    assert link.call("counters", byref(model), 2, count - 1, found) == CError.ARGUMENT
    assert link.call("counters", byref(model), 0xFFFFFFFF, 2, found) == CError.ARGUMENT
    memories.error, memories.boot = Error.OPCODE, Boot.FAILED
    memories.registers[Register.CYCLES] = 0x87654321
    status = Status()
    assert link.call("status", byref(status)) == CError.OK
    assert (status.busy, status.done, status.paused) == (False, False, False)
    assert (status.error, status.boot, status.cycles) == (1, 3, 0x87654321)
    assert link.call("reset") == CError.OK
    assert memories.error == Error.NONE


def test_runs_that_fail_say_how(loaded: tuple[Link, Model, Memories]) -> None:
    link, model, memories = loaded
    memories.run = lambda _: model.cycles * 2 + 100_001
    assert link.run(model, bytes(64))[0] == CError.WATCHDOG
    memories.run = lambda _: model.cycles * 2 + 100_000
    assert link.run(model, bytes(64))[0] == CError.OK

    def broken(memories: Memories) -> int:
        memories.error = Error.OPCODE
        return 7

    memories.run = broken
    assert link.run(model, bytes(64))[0] == CError.PROGRAM
    memories.error = Error.ACCESS
    assert link.call("poll") == CError.ACCESS
    assert link.call("reset") == CError.OK
    assert link.call("poll") == CError.STOPPED
    memories.run = lambda _: 7
    memories.busy_polls = 5
    assert link.call("start", byref(model)) == CError.OK
    assert link.call("start", byref(model)) == CError.STATE
    assert link.call("write_input", byref(model), 0, bytes(64)) == CError.STATE
    assert link.call("poll") == CError.BUSY
    assert link.call("wait", 2) == CError.BUSY
    assert link.call("wait", 1) == CError.OK
    assert link.call("write_input", byref(model), 1, bytes(64)) == CError.ARGUMENT
    assert link.call("read_output", byref(model), 1, bytes(64)) == CError.ARGUMENT
    memories.busy_polls = 1 << 30
    assert link.run(model, bytes(64))[0] == CError.BUSY


@pytest.mark.parametrize(
    ("register", "value", "error"),
    [
        (Register.IDENT, 0x43454D02, CError.DEVICE),
        (Register.IDENT, 0x43454C03, CError.VERSION),
        (Register.LINK, 2, CError.PROTOCOL),
        (Register.LINK, 0xFFFFFF01, CError.OK),
    ],
)
def test_open_checks_versions(
    library: ctypes.CDLL, digits_image: Image, register: Register, value: int, error: CError
) -> None:
    memories = Memories(digits_image.config)
    memories.registers[register] = value
    link = Link(library, Endpoint(memories))
    assert link.call("open") == error
    assert link.call("reset") == (error and CError.CLOSED)


def test_open_waits_for_a_boot(library: ctypes.CDLL, digits_image: Image) -> None:
    memories = Memories(digits_image.config)
    memories.boot = Boot.BUSY
    link = Link(library, Endpoint(memories))

    def end_boot(sent: int) -> None:
        if sent > 500:
            memories.boot = Boot.DONE

    link.before = end_boot
    assert link.call("open") == CError.OK
    assert link.timeouts > 10
    memories.boot = Boot.BUSY
    link.before = lambda _: None
    assert link.call("open") == CError.BUSY


def test_a_link_that_fails(library: ctypes.CDLL, digits_image: Image) -> None:
    link = opened(library, Memories(digits_image.config))
    link.failing = True
    assert link.call("reset") == CError.IO
    assert link.call("open") == CError.IO
    assert link.call("reset") == CError.CLOSED
    image = source_of(digits_image.to_bytes())
    assert link.call("load", byref(image), byref(Model())) == CError.CLOSED


def test_nothing_answers(library: ctypes.CDLL, digits_image: Image) -> None:
    link = opened(library, Memories(digits_image.config), attempts=3)
    link.to_host.rate = 1.0
    link.endpoint.feed = lambda data, **_: b""  # type: ignore[method-assign]
    sent = len(link.requests)
    assert link.call("reset") == CError.TIMEOUT
    assert link.timeouts == 3
    # Two flags, 8 + 4 bytes, a flag; nothing of these is escaped.
    assert len(link.requests) - sent == 3 * 15


@pytest.mark.parametrize("noise", [b"\x00", b"\x7e", b"\x7d", b"\x55\xaa\x7e"])
def test_a_line_that_is_never_silent_counts_as_silent(
    library: ctypes.CDLL, digits_image: Image, noise: bytes
) -> None:
    link = opened(library, Memories(digits_image.config), attempts=2)
    link.endpoint.feed = lambda data, **_: noise * 10_000  # type: ignore[method-assign]
    assert link.call("reset") == CError.TIMEOUT
    assert link.timeouts == 0


def test_an_unknown_result(library: ctypes.CDLL, digits_image: Image) -> None:
    link = opened(library, Memories(digits_image.config))
    number = (link.device.number + 1) % 256
    link.waiting.extend(stuff(answer(number, 8)))
    assert link.call("reset") == CError.RESULT


def test_another_accelerator(library: ctypes.CDLL, digits_image: Image) -> None:
    memories = Memories(digits_image.config)
    link = opened(library, memories)
    config = replace(digits_image.config, weight_depth=16)
    other = replace(digits_image, config=config, sections=())
    assert link.load(other.to_bytes())[0] == CError.CONFIG
    # It was exchanged behind the driver's back.
    memories.registers[Register.CONFIG] ^= 1
    assert link.load(digits_image.to_bytes())[0] == CError.MISMATCH
    assert not any(any(content) for content in memories.memory.values())


def test_an_accelerator_that_restarts_is_not_trusted(
    loaded: tuple[Link, Model, Memories],
) -> None:
    """Whatever number would come next."""
    link, model, memories = loaded
    for _ in range(256):
        device = bytes(link.device)
        last = link.endpoint.last
        link.endpoint.last = None
        assert link.run(model, bytes(64))[0] == CError.SEQUENCE
        assert link.run(model, bytes(64))[0] == CError.CLOSED
        ctypes.memmove(byref(link.device), device, len(device))
        link.endpoint.last = last
        assert link.call("reset") == CError.OK
    assert memories.started == []


def test_every_error_has_words(library: ctypes.CDLL) -> None:
    texts = [library.celosia_error_text(error).decode() for error in CError]
    assert len(set(texts)) == len(texts)
    assert "unknown error" not in texts
    assert library.celosia_error_text(99) == b"unknown error"


def test_a_source_that_fails_leaves_the_model_unloaded(
    library: ctypes.CDLL, digits_image: Image
) -> None:
    memories = Memories(digits_image.config)
    link = opened(library, memories)
    data = digits_image.to_bytes()
    for broken in (10, 70, len(data) // 2, len(data) - 1):
        source, model = source_of(data, broken_from=broken), Model()
        assert link.call("load", byref(source), byref(model)) == CError.SOURCE
        assert not any(any(content) for content in memories.memory.values())
    # Later, when the image is read a second time.
    source = source_of(data, most_reads=700)
    assert link.call("load", byref(source), byref(model)) == CError.SOURCE
    assert link.call("start", byref(model)) == CError.NOT_LOADED
    error, model = link.load(data)
    assert error == CError.OK
    assert link.run(model, bytes(64))[0] == CError.OK
