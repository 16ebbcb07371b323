# SPDX-License-Identifier: BSD-2-Clause
"""Lines that lose, damage, repeat, invent and delay bytes: what is done is done right."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np
import pytest
from tests.firmware.driver import CError, Link, Model

from celosia.compiler.image import Image
from celosia_hw.isa import Register
from celosia_sim.link_faults import FaultyLine
from celosia_sim.link_model import Endpoint, Memories

#: What a line alone can make of a call; all else would be wrong.
BY_THE_LINE = (CError.TIMEOUT, CError.CHECKSUM)


def echo(image: Image) -> Memories:
    """An accelerator whose output depends on all bytes of its input, its cycles on how many runs
    there were."""
    source, target = image.inputs[0], image.outputs[0]
    size = target.shape[1]

    def run(memories: Memories) -> int:
        scratch = memories.memory[0]
        rows = source.strides[1]
        picture = b"".join(
            scratch[source.address + rows * i : source.address + rows * i + 8] for i in range(8)
        )
        scratch[target.address : target.address + size] = output_of(picture, size)
        return 1000 + len(memories.started)

    return Memories(image.config, run, busy_polls=2)


def output_of(picture: bytes, size: int) -> bytes:
    return np.random.default_rng(list(picture)).bytes(size)


def lines(seed: int, rate: float, late: float) -> Iterator[FaultyLine]:
    for direction in range(2):
        yield FaultyLine(2 * seed + direction, rate, late)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("rate", "late"), [(0.0, 0.02), (0.0005, 0.0), (0.0005, 0.01), (0.001, 0.002)]
)
def test_no_wrong_result_is_ever_returned(
    library: ctypes.CDLL, digits_image: Image, seed: int, rate: float, late: float
) -> None:
    image = digits_image
    memories = echo(image)
    to_device, to_host = lines(seed, rate, late)
    endpoint = Endpoint(memories, last=seed)
    link = Link(library, endpoint, to_device=to_device, to_host=to_host, most=1 + seed)
    rng = np.random.default_rng(seed)
    model: Model | None = None
    runs = good = 0
    for _ in range(120):
        if not link.device.open:
            assert link.call("open") in (CError.OK, *BY_THE_LINE)
        elif not link.device.loaded:
            error, model = link.load(image.to_bytes())
            assert error in (CError.OK, *BY_THE_LINE), error
            if error == CError.OK:
                for section in image.sections:
                    end = section.address + len(section.data)
                    assert memories.memory[section.space][section.address : end] == section.data
                assert memories.registers[Register.START] == image.entry
                assert memories.registers[Register.WATCHDOG] == 2 * image.cycles + 100_000
        else:
            assert model is not None
            picture = rng.integers(0, 256, 64, dtype=np.uint8).tobytes()
            started = len(memories.started)
            error, output = link.run(model, picture)
            runs += 1
            # A run that was not awaited may still be busy.
            assert error in (CError.OK, CError.STATE, *BY_THE_LINE), error
            if error == CError.OK:
                good += 1
                assert output == output_of(picture, len(output))
                assert len(memories.started) == started + 1
                assert link.device.cycles == 1000 + started + 1
                if good == 60:
                    break
    assert good == 60
    assert to_device.faults + to_host.faults > 3
    assert runs <= 75


@pytest.mark.parametrize("seed", range(6))
def test_with_two_attempts_calls_fail_and_the_next_ones_are_right(
    library: ctypes.CDLL, digits_image: Image, seed: int
) -> None:
    """Sequence numbers stay right behind requests of which nobody knows whether they were done."""
    memories = Memories(digits_image.config)
    to_device, to_host = lines(100 + seed, 0.02, 0.1)
    endpoint = Endpoint(memories)
    link = Link(library, endpoint, to_device=to_device, to_host=to_host, attempts=2)
    rng = np.random.default_rng(seed)
    done = failed = 0
    while done < 200:
        if not link.device.open:
            assert link.call("open") in (CError.OK, *BY_THE_LINE)
            continue
        address = 4 * int(rng.integers(0, 1000))
        data = rng.bytes(4 * int(rng.integers(1, 12)))
        error = link.call("write", 0, address, data, len(data))
        # Only after a failure can the number be another one.
        assert error in (CError.OK, CError.SEQUENCE, *BY_THE_LINE), error
        if error == CError.OK:
            done += 1
            assert memories.memory[0][address : address + len(data)] == data
            found = ctypes.create_string_buffer(len(data))
            error = link.call("read", 0, address, found, len(data))
            assert error in (CError.OK, *BY_THE_LINE)
            if error == CError.OK:
                assert found.raw == data
        failed += error != CError.OK
    assert failed > 20


def test_late_answers_are_not_taken_for_those_of_other_requests(
    library: ctypes.CDLL, digits_image: Image
) -> None:
    """A part of each answer comes a timeout late, when its request has been repeated already."""
    memories = Memories(digits_image.config)
    memories.memory[0][:4096] = np.random.default_rng(0).bytes(4096)
    link = Link(library, Endpoint(memories), to_host=FaultyLine(0, late=1.0))
    assert link.call("open") == CError.OK
    for address in range(0, 4096, 4):
        found = ctypes.create_string_buffer(4)
        assert link.call("read", 0, address, found, 4) == CError.OK
        assert found.raw == memories.memory[0][address : address + 4]
    assert link.timeouts > 500


@pytest.mark.parametrize("seed", range(4))
def test_pure_noise_is_never_taken_for_an_answer(
    library: ctypes.CDLL, digits_image: Image, seed: int
) -> None:
    """A noise of flags, escapes and short frames, to which no checksum fits but by chance."""
    rng = np.random.default_rng(seed)
    link = Link(library, Endpoint(Memories(digits_image.config)), attempts=4)
    assert link.call("open") == CError.OK
    choice = [0x7E, 0x7D, 0x00, 0x01, link.device.number, 0x5E]
    link.endpoint.feed = lambda data, **_: bytes(rng.choice(choice, 300).tolist())  # type: ignore[method-assign]
    for _ in range(20):
        link.device.open = True
        assert link.call("reset") == CError.TIMEOUT
    assert link.call("open") == CError.TIMEOUT
