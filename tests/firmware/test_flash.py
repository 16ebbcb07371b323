# SPDX-License-Identifier: BSD-2-Clause
"""The driver and what an accelerator has booted from its flash memory."""

from __future__ import annotations

import ctypes
from ctypes import byref
from dataclasses import replace

import pytest
from tests.firmware.driver import CError, Link

from celosia.compiler.image import Image, ImageSpace, Section
from celosia_hw.isa import Boot
from celosia_sim.link_model import Endpoint, Memories


def opened(library: ctypes.CDLL, memories: Memories) -> Link:
    link = Link(library, Endpoint(memories))
    assert link.call("open") == CError.OK
    return link


def booted(image: Image) -> Memories:
    """After a boot from a flash memory with ``image``; of that, there is the mark alone."""
    memories = Memories(image.config)
    memories.boot = Boot.DONE
    memories.memory[0][-4:] = image.to_bytes()[16:20]
    return memories


def test_weights_for_the_flash_are_left_out(library: ctypes.CDLL, digits_image: Image) -> None:
    section = Section(ImageSpace.EXTERNAL, 1 << 24, b"\xaa" * 4000)
    image = replace(digits_image, sections=(section,))
    memories = booted(image)
    before = {space: bytes(content) for space, content in memories.memory.items()}
    error, model = opened(library, memories).load(image.to_bytes())
    assert error == CError.OK
    assert model.external
    assert memories.memory == before


@pytest.mark.parametrize("boot", [Boot.NONE, Boot.FAILED, Boot.DONE])
def test_weights_that_the_flash_does_not_have_are_noticed(
    library: ctypes.CDLL, digits_image: Image, boot: Boot
) -> None:
    """It holds none, something damaged, or the weights of another training."""
    section = Section(ImageSpace.EXTERNAL, 0, b"\xaa" * 4000)
    image = replace(digits_image, sections=(*digits_image.sections, section))
    other = replace(section, data=b"\xaa" * 3999 + b"\xab")
    held = image if boot != Boot.DONE else replace(image, sections=(*digits_image.sections, other))
    memories = booted(held)
    memories.boot = boot
    link = opened(library, memories)
    error, before = link.load(digits_image.to_bytes())
    assert error == CError.OK
    error, model = link.load(image.to_bytes())
    assert error == CError.BOOT
    assert link.call("start", byref(model)) == CError.NOT_LOADED
    assert link.call("attach", byref(model)) == CError.BOOT
    # The model before is still there, and the flash is as it was.
    assert link.call("start", byref(before)) == CError.OK
    if boot == Boot.DONE:
        assert link.load(held.to_bytes())[0] == CError.OK


def test_a_model_booted_from_flash_needs_no_image(
    library: ctypes.CDLL, digits_image: Image
) -> None:
    _, model = opened(library, Memories(digits_image.config)).load(digits_image.to_bytes())
    memories = booted(digits_image)
    memories.boot = Boot.FAILED
    link = opened(library, memories)
    assert link.call("attach", byref(model)) == CError.BOOT
    assert link.call("start", byref(model)) == CError.NOT_LOADED
    memories.boot = Boot.DONE
    memories.memory[0][-1] ^= 1
    assert link.call("attach", byref(model)) == CError.BOOT
    memories.memory[0][-1] ^= 1
    assert link.call("attach", byref(model)) == CError.OK
    assert link.run(model, bytes(64))[0] == CError.OK
    assert memories.started == [digits_image.entry]
