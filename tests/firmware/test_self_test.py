# SPDX-License-Identifier: BSD-2-Clause
"""The driver's known-answer test: passes, finds, names, and refuses to go on."""

from __future__ import annotations

import ctypes
import re
import struct
from ctypes import byref
from dataclasses import replace

import numpy as np
import pytest
from tests.firmware.conftest import ROOT
from tests.firmware.driver import CError, Link, Model, source_of

from celosia.compiler.image import Image, ImageSpace
from celosia.compiler.self_test import checks, known_input
from celosia.firmware import model_header
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.isa import Boot, Register, Space
from celosia_sim.link_faults import FaultyLine
from celosia_sim.link_model import Endpoint, Memories
from celosia_sim.link_program import program_runner
from celosia_sim.program_model import ProgramError, first_difference
from celosia_sim.reference import run as run_reference

DIGITS = ROOT / "examples" / "digits"


def opened(library: ctypes.CDLL, image: Image, rate: float = 0.0) -> tuple[Link, Memories]:
    memories = Memories(image.config, program_runner(image), busy_polls=1)
    lines = FaultyLine(1, rate), FaultyLine(2, rate)
    link = Link(library, Endpoint(memories), to_device=lines[0], to_host=lines[1], attempts=30)
    assert link.call("open") == CError.OK
    return link, memories


def answers(image: Image) -> bytes:
    """``MODEL_SELF_TEST`` of model.h."""
    (items,) = re.findall(r"#define MODEL_SELF_TEST \{(.*?)\}", model_header(image, 24.0), re.S)
    return bytes(int(item) for item in items.replace("\\", "").split(","))


def check_digits(link: Link, model: Model, image: Image) -> None:
    """Runs a picture, behind whatever was before."""
    graph = optimize(load_tflite(DIGITS / "digits.tflite"))
    picture = np.load(DIGITS / "images.npy")[0]
    error, output = link.run(model, picture.tobytes())
    assert error == CError.OK
    values = run_reference(graph, picture[None], keep=True)
    assert output == values[image.outputs[0].tensor].tobytes()


@pytest.mark.parametrize("rate", [0.0, 0.0005])
def test_a_good_accelerator_passes(library: ctypes.CDLL, tested_image: Image, rate: float) -> None:
    """On a bad line too: what is read twice is counted once."""
    link, memories = opened(library, tested_image, rate)
    error, model = link.load(tested_image.to_bytes())
    assert error == CError.OK
    assert link.device.tested
    assert memories.started == [tested_image.entry]
    assert memories.registers[Register.BREAKPOINT] == 0
    assert not rate or link.to_device.faults + link.to_host.faults > 3
    check_digits(link, model, tested_image)


@pytest.mark.parametrize("space", [ImageSpace.WEIGHTS, ImageSpace.PARAMETERS])
def test_what_changes_a_layer_is_found_and_named(
    library: ctypes.CDLL, tested_image: Image, space: ImageSpace
) -> None:
    """The verdict is that of the program model and the reference, for bits at random."""
    image = tested_image
    graph = optimize(load_tflite(DIGITS / "digits.tflite"))
    assert image.self_test is not None
    inputs = known_input(image.self_test.seed, image.inputs)
    given = {port.tensor: x for port, x in zip(image.inputs, inputs, strict=True)}
    (index,) = [i for i, section in enumerate(image.sections) if section.space == space]
    link, memories = opened(library, image)
    link.device.no_self_test = True
    data = image.to_bytes()
    random = np.random.default_rng(10 + int(space))
    found = total = 0
    # Many of the bits change nothing that this input shows.
    while found < 3:
        assert total < 40
        error, model = link.load(data)
        assert error == CError.OK
        assert not link.device.tested
        byte, bit = int(random.integers(len(image.sections[index].data))), random.integers(8)
        memories.memory[space][byte] ^= 1 << int(bit)
        section = image.sections[index]
        changed = bytes(memories.memory[space][: len(section.data)])
        sections = [*image.sections]
        sections[index] = replace(section, data=changed)
        try:
            wanted = first_difference(replace(image, sections=tuple(sections)), graph, given)
        except ProgramError:
            continue  # a value that no compiler writes
        total += 1
        error = link.call("self_test", byref(model), byref(source_of(data)))
        if wanted is None:
            assert (error, link.device.tested) == (CError.OK, True)
            continue
        found += 1
        assert (error, link.device.tested) == (CError.SELF_TEST, False)
        number = link.device.failed_layer
        assert image.layers[number].name == wanted.layer
        assert link.device.failed.decode() == f"{image.layers[number].op} {wanted.layer}"
        assert memories.registers[Register.BREAKPOINT] == 0
        assert not memories.paused
        assert link.run(model, bytes(64))[0] == CError.NOT_LOADED


def test_nothing_goes_on_behind_a_failure(library: ctypes.CDLL, tested_image: Image) -> None:
    link, memories = opened(library, tested_image)
    write = memories.write

    def forgetful(space: int, address: int, word: int) -> None:
        write(space, address, word ^ (0x2000 if (space, address) == (2, 0) else 0))

    memories.write = forgetful  # type: ignore[method-assign]
    data = tested_image.to_bytes()
    error, model = link.load(data)
    assert error == CError.SELF_TEST
    assert (link.device.failed_layer, link.device.failed) == (0, b"Conv2D conv_2d_0")
    assert link.run(model, bytes(64))[0] == CError.NOT_LOADED
    link.device.no_self_test = True
    error, model = link.load(data)
    assert error == CError.OK
    assert link.run(model, bytes(64))[0] == CError.OK
    memories.write = write  # type: ignore[method-assign]
    link.device.no_self_test = False
    error, model = link.load(data)
    assert error == CError.OK
    check_digits(link, model, tested_image)


def test_a_program_that_is_damaged_is_found(library: ctypes.CDLL, tested_image: Image) -> None:
    """END instead of an instruction."""
    link, memories = opened(library, tested_image)
    link.device.no_self_test = True
    data = tested_image.to_bytes()
    _, model = link.load(data)
    memories.memory[Space.SCRATCH][tested_image.entry + 64 * tested_image.layers[2].first] = 0
    assert link.call("self_test", byref(model), byref(source_of(data))) == CError.SELF_TEST
    assert link.device.failed_layer == 2


def test_answers_without_an_image(library: ctypes.CDLL, tested_image: Image) -> None:
    """A model that was booted, and the table of model.h."""
    link, memories = opened(library, tested_image)
    link.device.no_self_test = True
    data = tested_image.to_bytes()
    _, model = link.load(data)
    memories.boot = Boot.DONE
    memories.memory[Space.SCRATCH][-4:] = data[16:20]
    assert link.call("attach", byref(model)) == CError.OK
    table = answers(tested_image)
    assert table == tested_image.self_test_record()
    assert table in data
    assert link.call("self_test", byref(model), byref(source_of(table))) == CError.OK
    assert link.device.tested
    check_digits(link, model, tested_image)
    memories.memory[Space.WEIGHTS][1] ^= 0x40
    assert link.call("self_test", byref(model), byref(source_of(table))) == CError.SELF_TEST
    assert link.call("start", byref(model)) == CError.NOT_LOADED
    memories.memory[Space.WEIGHTS][1] ^= 0x40
    # Those of another input, or cut off.
    for wrong, error in (
        (struct.pack("<I", 7) + table[4:], CError.SELF_TEST),
        (table[:-1], CError.SOURCE),
        (table[:7], CError.SOURCE),
    ):
        assert link.call("attach", byref(model)) == CError.OK
        assert link.call("self_test", byref(model), byref(source_of(wrong))) == error


def test_images_of_before_have_no_answers(
    library: ctypes.CDLL, digits_image: Image, tested_image: Image
) -> None:
    link, memories = opened(library, digits_image)
    data = digits_image.to_bytes()
    error, model = link.load(data)
    assert (error, link.device.tested, memories.started) == (CError.OK, False, [])
    assert link.call("self_test", byref(model), byref(source_of(data))) == CError.NO_SELF_TEST
    check_digits(link, model, digits_image)
    assert "SELF_TEST" not in model_header(digits_image, 24.0)


def test_an_accelerator_that_restarts_has_not_failed(
    library: ctypes.CDLL, tested_image: Image
) -> None:
    link, _ = opened(library, tested_image)
    data = tested_image.to_bytes()
    link.load(data)
    sent = len(link.requests)
    _, model = link.load(data)
    whole = len(link.requests) - sent
    for part in (0.94, 0.97, 0.99):
        begin = len(link.requests)

        def restart(sent: int, limit: float = begin + part * whole) -> None:
            if sent > limit:
                link.endpoint.last = None

        link.before = restart
        error, model = link.load(data)
        assert error == CError.SEQUENCE
        assert link.call("start", byref(model)) == CError.CLOSED
        link.before = lambda _: None
        assert link.call("open") == CError.OK
        assert link.load(data)[0] == CError.OK


def test_texts_of_any_names(tested_image: Image) -> None:
    layer = replace(tested_image.layers[0], op="DepthwiseConv2D", name="ü" * 40 + "\udc80;x")
    image = replace(tested_image, layers=(layer, *tested_image.layers[1:]))
    text = image.self_test_record()[16:64]
    assert text.rstrip(b"\0").decode() == "DepthwiseConv2D ..." + "ü" * 14
    assert text[-1] == 0
    assert len(checks(image)) == 8
