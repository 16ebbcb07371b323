# SPDX-License-Identifier: BSD-2-Clause
"""The hooks for microcontrollers and for spidev, byte by byte against the endpoint's model."""

from __future__ import annotations

import ctypes
import random
import sys
from collections import deque
from ctypes import CFUNCTYPE, byref, c_int, c_uint8, c_uint32
from typing import Any, TypeAlias

import numpy as np
import pytest
from tests.firmware.driver import TRANSFER, CError, Device, Model, source_of

from celosia.compiler.image import Image
from celosia_hw.isa import Space
from celosia_hw.link.protocol import FLAG
from celosia_sim.link_model import Endpoint, Memories

#: A pointer to bytes, of ctypes.
Bytes: TypeAlias = Any

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="spidev is one of Linux")


class Wires:
    """An accelerator at SPI or UART. It takes up to ``latency`` bytes' time to answer."""

    def __init__(self, library: ctypes.CDLL, memories: Memories, seed: int, latency: int) -> None:
        self.library = library
        self.endpoint = Endpoint(memories)
        self.chance = random.Random(seed)
        self.latency = latency
        self.sent: deque[int] = deque()
        self.time = 0
        self.silent = False
        #: How often a transfer begins with a flag of its own.
        self.parts = self.chance.choice((0, 0.5, 1))
        functions = (
            TRANSFER(self._transfer),
            CFUNCTYPE(None, c_uint8)(self._take),
            CFUNCTYPE(c_int)(self._give),
            CFUNCTYPE(c_uint32)(self._milliseconds),
        )
        self._functions = functions
        library.board_set(*functions)
        # No attempt may be in vain.
        self.device = Device(timeout_ms=20, attempts=1)

    def _take(self, byte: int) -> None:
        answer = self.endpoint.feed(bytes((byte,)), pause=False)
        if answer and not self.silent:
            wait = self.chance.randrange(self.latency + 1)
            self.sent.extend((FLAG,) * wait + tuple(answer))

    def _transfer(self, out: Bytes, back: Bytes, count: int, first: bool) -> None:
        """The first byte of a transfer that comes back may be a flag, whatever there is to say."""
        for index in range(count):
            waits = not self.sent or (first and index == 0 and self.chance.random() < self.parts)
            byte = FLAG if waits else self.sent.popleft()
            self._take(out[index])
            if back:
                back[index] = byte

    def _give(self) -> int:
        """A byte in each third call."""
        if self.chance.random() < 0.7 or not self.sent:
            return -1
        # As long as it takes, nothing of the host's arrives.
        self.endpoint.feed(bytes((FLAG,)), pause=False)
        return self.sent.popleft()

    def _milliseconds(self) -> int:
        """Wraps soon; a hundred readings take a millisecond."""
        self.time += 1
        return (0xFFFFFF00 + self.time // 100) & 0xFFFFFFFF

    def call(self, name: str, *arguments: object) -> CError:
        return CError(getattr(self.library, f"celosia_{name}")(byref(self.device), *arguments))


def use(wires: Wires, port: str) -> object:
    """Sets the hooks; what is returned must be kept."""
    if port == "spidev":
        spi = c_int()
        opened = wires.library.celosia_spi_open(byref(spi), byref(wires.device), b"/dev/null", 1000)
        assert opened
        return spi
    getattr(wires.library, f"celosia_use_{port}")(byref(wires.device))
    return None


@pytest.mark.parametrize("port", ["uart", "spi", "spidev"])
@pytest.mark.parametrize("latency", [0, 1, 40, 300])
def test_an_image_is_loaded_and_memory_read_back(
    board: ctypes.CDLL, digits_image: Image, port: str, latency: int
) -> None:
    memories = Memories(digits_image.config)
    for seed in range(4):
        wires = Wires(board, memories, seed, 0 if port == "uart" else latency)
        kept = use(wires, port)
        assert wires.call("open") == CError.OK
        model = Model()
        source = source_of(digits_image.to_bytes())
        assert wires.call("load", byref(source), byref(model)) == CError.OK
        for section in digits_image.sections:
            end = section.address + len(section.data)
            assert memories.memory[section.space][section.address : end] == section.data
        scratch = memories.memory[Space.SCRATCH]
        rng = np.random.default_rng(seed)
        for words in (1, 2, 7, 256, 300):
            data = rng.choice([0x7E, 0x7D, 0x5E, 0x00, 0xFF], 4 * words).astype(np.uint8).tobytes()
            scratch[400 : 400 + len(data)] = data
            found = ctypes.create_string_buffer(len(data))
            assert wires.call("read", 0, 400, found, len(data)) == CError.OK
            assert found.raw == data
        assert wires.endpoint.last == wires.device.number
        del kept


@pytest.mark.parametrize("port", ["spi", "spidev"])
def test_flags_part_an_answer_from_what_came_before(
    board: ctypes.CDLL, digits_image: Image, port: str
) -> None:
    memories = Memories(digits_image.config)
    for seed in range(20):
        wires = Wires(board, memories, seed, 300)
        kept = use(wires, port)
        # The rest of an answer that nobody took: longer than a request, in which it passes unseen.
        wires.sent.extend([0x11] * (40 + seed))
        assert wires.call("open") == CError.OK
        del kept


@pytest.mark.parametrize("port", ["uart", "spi", "spidev"])
def test_silence_is_a_timeout(board: ctypes.CDLL, digits_image: Image, port: str) -> None:
    wires = Wires(board, Memories(digits_image.config), 0, 0)
    kept = use(wires, port)
    wires.silent = True
    assert wires.call("open") == CError.TIMEOUT
    wires.silent = False
    wires.sent.clear()
    wires.endpoint.feed(b"")
    assert wires.call("open") == CError.OK
    del kept
