# SPDX-License-Identifier: BSD-2-Clause
"""The known-answer test: finds what changes any layer's result, names that layer, and nothing goes
on behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celosia.compiler.compile import compile_graph
from celosia.compiler.host import divide
from celosia.compiler.image import Image, ImageSpace, Section
from celosia.compiler.self_test import known_input
from celosia.errors import InputError
from celosia.host.device import Device
from celosia.host.errors import SelfTestError
from celosia.importer import load_tflite
from celosia.known_answers import known_answers
from celosia.passes import optimize
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode, Register
from celosia_sim.program_model import ProgramError, first_difference
from celosia_sim.reference import run as run_reference
from celosia_sim.tflite_writer import ModelBuilder, per_channel, per_tensor

from .conftest import DIGITS, connect, fake
from .fake_device import FakeDevice, FakeLine
from .test_streaming import CONFIG as STREAMING
from .test_streaming import layer

CONFIG = AcceleratorConfig(accumulator_bits=32, multiplier_bits=31)


def with_answers(model: Path, config: AcceleratorConfig) -> Image:
    """The image of a model, as ``generate`` makes it."""
    graph = optimize(load_tflite(model))
    image = compile_graph(graph, config)
    return replace(image, self_test=known_answers(graph, image, run_reference))


class Faulty(FakeDevice):
    """Some bit of its memories cannot be written: ``stuck`` is the space, the byte and the bit."""

    stuck: tuple[int, int, int] | None = None

    def _store(self, argument: int, content: bytes) -> None:
        super()._store(argument, content)
        if self.stuck is not None:
            space, byte, bit = self.stuck
            if argument >> 28 == space and 0 <= byte - (argument & (1 << 28) - 1) < len(content):
                self.memories[space][byte] ^= 1 << bit


def with_bit(image: Image, index: int, byte: int, bit: int) -> Image:
    """The image with a bit of a section changed."""
    section = image.sections[index]
    data = bytearray(section.data)
    data[byte] ^= 1 << bit
    sections = list(image.sections)
    sections[index] = Section(section.space, section.address, bytes(data))
    return replace(image, sections=tuple(sections))


def flip(device: Device, space: int, byte: int, bit: int) -> None:
    """Changes a bit behind the host's back."""
    fake(device).memories[space][byte] ^= 1 << bit


def test_a_good_device_passes(device: Device, folder: Path, image: Image) -> None:
    device.load(folder)
    test = device.last_self_test
    assert test is not None
    assert test.checks == len(image.layers) + len(image.outputs) == 8
    assert test.cycles == image.cycles + 5
    assert test.milliseconds == pytest.approx(test.cycles / 24_000)
    assert fake(device).runs == 1
    assert fake(device).values[Register.BREAKPOINT] == 0
    assert device.self_test().checks == 8
    device.load(folder, self_test=False)
    assert device.last_self_test is None
    assert fake(device).runs == 2


def test_the_input_reaches_the_whole_range(image: Image) -> None:
    assert image.self_test is not None
    (first,) = known_input(image.self_test.seed, image.inputs)
    assert first.min() < -115
    assert first.max() > 115
    # Marsaglia, "Xorshift RNGs" (2003): the generator of that paper begins so.
    port = replace(image.inputs[0], dtype="uint8", shape=(4,))
    state = 723471715
    assert known_input(2463534242, [port])[0][0] == state >> 24


@pytest.mark.parametrize("space", [ImageSpace.WEIGHTS, ImageSpace.PARAMETERS])
def test_what_changes_a_layer_is_found_and_named(
    device: Device, folder: Path, image: Image, space: ImageSpace
) -> None:
    """Bits of the memories, whether or not they matter to the known input: the verdict is that of
    the program model and the reference."""
    graph = optimize(load_tflite(DIGITS / "digits.tflite"))
    assert image.self_test is not None
    inputs = known_input(image.self_test.seed, image.inputs)
    given = {port.tensor: x for port, x in zip(image.inputs, inputs, strict=True)}
    (index,) = [i for i, section in enumerate(image.sections) if section.space == space]
    random = np.random.default_rng(int(space))
    device.load(folder, self_test=False)
    found = total = 0
    for _ in range(16):
        byte = int(random.integers(len(image.sections[index].data)))
        bit = int(random.integers(8))
        try:
            wanted = first_difference(with_bit(image, index, byte, bit), graph, given)
        except ProgramError:
            continue  # a value that no compiler writes
        total += 1
        flip(device, space, byte, bit)
        if wanted is None:
            device.self_test()
            flip(device, space, byte, bit)
            continue
        found += 1
        with pytest.raises(SelfTestError) as caught:
            device.self_test()
        assert caught.value.layer == wanted.layer
        named = next(i for i in image.layers if i.name == wanted.layer)
        assert caught.value.op == named.op
        assert image.layers[caught.value.index] == named
        assert f"layer {named.name} ({named.op}) differs from the integer ref" in str(caught.value)
        # All is written again before the next test, which an image that is right passes.
        device.self_test()
    assert total >= 12
    assert found >= 3


def test_nothing_goes_on_behind_a_failure(
    folder: Path, image: Image, images: Any, expected: Any
) -> None:
    device = connect(FakeLine(Faulty(image)))
    board = fake(device)
    assert isinstance(board, Faulty)
    board.stuck = (ImageSpace.PARAMETERS, 1, 5)
    for attempt in (lambda: device.load(folder), lambda: device(images[0])):
        with pytest.raises(SelfTestError, match=r"fake: .*conv_2d_0 \(Conv2D\).*bitstream"):
            attempt()
        assert device.last_self_test is None
        assert board.values[Register.BREAKPOINT] == 0
        assert board.status & 0xFF == 0
    device.load(folder, self_test=False)
    assert device(images[0]).shape == (10,)
    board.stuck = None
    device.load(folder)
    assert np.array_equal(device(images[0]), expected[0].reshape(10))


def test_a_program_that_is_damaged_is_found(device: Device, folder: Path, image: Image) -> None:
    """END instead of an instruction: the run is over too early."""
    device.load(folder, self_test=False)
    layer = image.layers[3]
    at = image.entry + 64 * layer.first
    fake(device).memories[0][at] = Opcode.END
    with pytest.raises(SelfTestError, match=rf"{layer.name} \({layer.op}\)"):
        device.self_test()


def saturating() -> bytes:
    """A layer whose results all end at the limits of the next one."""
    random = np.random.default_rng(5)
    builder = ModelBuilder()
    x = builder.input("x", (1, 40), per_tensor(0.05, 3))
    weights = random.integers(-127, 128, (24, 40)).astype(np.int8)
    bias = random.integers(-500, 500, 24).astype(np.int32)
    y = builder.fully_connected(x, weights, bias, per_channel([0.01]), per_tensor(0.8, 1))
    weights = random.integers(-127, 128, (6, 24)).astype(np.int8)
    bias = np.where(np.arange(6) % 2, 1, -1).astype(np.int32) << 24
    builder.output(
        builder.fully_connected(y, weights, bias, per_channel([0.01]), per_tensor(0.1, 0))
    )
    return builder.build()


def test_what_a_later_layer_hides_is_found(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(saturating())
    image = with_answers(tmp_path / "m.tflite", CONFIG)
    assert len(image.layers) == 2
    image.save(tmp_path / "m.image")
    device = connect(FakeLine(FakeDevice(image)))
    device.load(tmp_path / "m.image", self_test=False)
    x = np.random.default_rng(6).integers(-128, 128, (10, 40)).astype(np.int8)
    right = device(x)
    assert set(np.unique(right)) == {-128, 127}
    found = []
    for byte in range(0, 320, 32):
        flip(device, ImageSpace.WEIGHTS, byte, 6)
        assert np.array_equal(device(x), right)
        try:
            device.self_test()
        except SelfTestError as error:
            found.append(error.index)
        else:
            flip(device, ImageSpace.WEIGHTS, byte, 6)
    assert found == [0] * len(found)
    assert len(found) >= 5


def test_an_output_that_is_overwritten_is_found(tmp_path: Path) -> None:
    """By a later layer, of a model whose first layer is an output too."""
    builder = ModelBuilder()
    random = np.random.default_rng(5)
    x = builder.input("x", (1, 16), per_tensor(0.05, 3))
    for _ in range(2):
        weights = random.integers(-127, 128, (16, 16)).astype(np.int8)
        bias = np.zeros(16, np.int32)
        x = builder.fully_connected(x, weights, bias, per_channel([0.01]), per_tensor(0.3, 1))
        builder.output(x)
    (tmp_path / "m.tflite").write_bytes(builder.build())
    image = with_answers(tmp_path / "m.tflite", CONFIG)
    first, _ = image.outputs
    image.save(tmp_path / "m.image")

    class Overwriting(FakeDevice):
        def _compute(self) -> bool:
            ended = super()._compute()
            if ended:
                self.memories[0][first.address] ^= 1
            return ended

    device = connect(FakeLine(Overwriting(image)))
    with pytest.raises(SelfTestError, match=f"output {first.name}, which was right behind its lay"):
        device.load(tmp_path / "m.image")


def test_weights_that_are_streamed(tmp_path: Path) -> None:
    """The mark of the boot is right, the weights in the flash are not."""
    (tmp_path / "m.tflite").write_bytes(layer(1, 64))
    image = with_answers(tmp_path / "m.tflite", STREAMING)
    image.save(tmp_path / "m.image")
    assert image.streams
    assert image.self_test is not None
    index = next(i for i, s in enumerate(image.sections) if s.space == ImageSpace.EXTERNAL)
    device = connect(FakeLine(FakeDevice(image, flash=image)))
    device.load(tmp_path / "m.image")
    held = with_bit(image, index, 1000, 6)

    class Worn(FakeDevice):
        def _begin(self) -> Any:
            self.flash = held
            return super()._begin()

    device = connect(FakeLine(Worn(image, flash=image)))
    with pytest.raises(SelfTestError, match="and its flash anew"):
        device.load(tmp_path / "m.image")


def test_images_of_before_have_no_answers(
    device: Device, image: Image, images: Any, expected: Any, tmp_path: Path
) -> None:
    replace(image, self_test=None).save(tmp_path / "m.image")
    device.load(tmp_path / "m.image")
    assert device.last_self_test is None
    assert np.array_equal(device(images[0]), expected[0].reshape(10))
    with pytest.raises(InputError, match="the image of digits has no known answers; generate it"):
        device.self_test()


def test_the_answers_are_of_the_reference(image: Image) -> None:
    """Not of the program: an image with another program has the same."""
    graph = optimize(load_tflite(DIGITS / "digits.tflite"))
    other = compile_graph(graph, CONFIG)
    test = known_answers(graph, other, run_reference)
    assert image.self_test is not None
    ports = divide(graph).graph.inputs
    assert [port.tensor for port in image.inputs] == ports
    assert test.seed != image.self_test.seed
    moved = replace(other, sections=image.sections)
    assert known_answers(graph, moved, run_reference) == image.self_test
