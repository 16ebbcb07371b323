# SPDX-License-Identifier: BSD-2-Clause
"""The driver's C interface, and an accelerator's model at its hooks."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable
from ctypes import (
    POINTER,
    byref,
    c_bool,
    c_int,
    c_int8,
    c_int16,
    c_int32,
    c_uint8,
    c_uint16,
    c_uint32,
    c_void_p,
)
from enum import IntEnum

from celosia_sim.link_faults import FaultyLine
from celosia_sim.link_model import Endpoint


class CError(IntEnum):
    """``enum celosia_error``."""

    OK = 0
    CHECKSUM = 1
    COMMAND = 2
    LENGTH = 3
    ADDRESS = 4
    STATE = 5
    SEQUENCE = 6
    MISMATCH = 7
    RESULT = 8
    IO = 9
    TIMEOUT = 10
    DEVICE = 11
    PROTOCOL = 12
    VERSION = 13
    CLOSED = 14
    ARGUMENT = 15
    SOURCE = 16
    IMAGE = 17
    IMAGE_VERSION = 18
    IMAGE_LENGTH = 19
    IMAGE_CHECKSUM = 20
    IMAGE_CONTENT = 21
    CONFIG = 22
    SPACE = 23
    TENSORS = 24
    NOT_LOADED = 25
    BOOT = 26
    BUSY = 27
    STOPPED = 28
    WATCHDOG = 29
    PROGRAM = 30
    ACCESS = 31
    SELF_TEST = 32
    NO_SELF_TEST = 33


WRITE = ctypes.CFUNCTYPE(c_bool, c_void_p, POINTER(c_uint8), c_uint32)
READ = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(c_uint8), c_uint32, c_uint32)
#: Bytes to send, those that came back (or NULL), how many, whether they begin a transfer: SPI of
#: board.c.
TRANSFER = ctypes.CFUNCTYPE(None, POINTER(c_uint8), POINTER(c_uint8), c_uint32, c_bool)
SOURCE = ctypes.CFUNCTYPE(c_bool, c_void_p, c_uint32, POINTER(c_uint8), c_uint32)


class Device(ctypes.Structure):
    """``struct celosia``."""

    _fields_ = (
        ("write", WRITE),
        ("read", READ),
        ("context", c_void_p),
        ("timeout_ms", c_uint16),
        ("attempts", c_uint8),
        ("no_self_test", c_bool),
        ("config", c_uint32),
        ("scratch_bytes", c_uint32),
        ("weight_bytes", c_uint32),
        ("parameter_bytes", c_uint32),
        ("cycles", c_uint32),
        ("tested", c_bool),
        ("failed_layer", c_uint16),
        ("failed", ctypes.c_char * 48),
        ("model", c_uint32),
        ("number", c_uint8),
        ("reads", c_uint8),
        ("open", c_bool),
        ("unsure", c_bool),
        ("loaded", c_bool),
    )


class Tensor(ctypes.Structure):
    """``struct celosia_tensor``."""

    _fields_ = (
        ("address", c_uint32),
        ("elements", c_uint32),
        ("rank", c_uint8),
        ("zero_point", c_int16),
        ("size", c_uint32 * 6),
        ("stride", c_uint32 * 6),
    )


class Model(ctypes.Structure):
    """``struct celosia_model``."""

    _fields_ = (
        ("image_bytes", c_uint32),
        ("image_checksum", c_uint32),
        ("fingerprint", c_uint32),
        ("entry", c_uint32),
        ("instructions", c_uint32),
        ("profile", c_uint32),
        ("cycles", c_uint32),
        ("external", c_bool),
        ("inputs", c_uint8),
        ("outputs", c_uint8),
        ("tensor", Tensor * 4),
    )


class Source(ctypes.Structure):
    """``struct celosia_source``."""

    _fields_ = (("read", SOURCE), ("context", c_void_p), ("bytes", c_uint32))


class Status(ctypes.Structure):
    """``struct celosia_status``."""

    _fields_ = (
        ("busy", c_bool),
        ("done", c_bool),
        ("paused", c_bool),
        ("error", c_uint8),
        ("boot", c_uint8),
        ("instruction", c_uint16),
        ("cycles", c_uint32),
    )


def declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Types of what does not return an error."""
    library.celosia_error_text.restype = ctypes.c_char_p
    library.celosia_memory.restype = Source
    library.celosia_multiply.restype = c_int32
    library.celosia_multiply.argtypes = [c_int32, c_int32, c_int]
    library.celosia_requantize.restype = c_int8
    library.celosia_requantize.argtypes = [c_int32, c_int32, c_int, c_int32]
    library.celosia_pixel.restype = c_int8
    library.celosia_pixel.argtypes = [c_uint8]
    library.celosia_argmax.restype = c_uint32
    library.celosia_softmax.restype = None
    return library


def source_of(image: bytes, *, broken_from: int | None = None, most_reads: int = 1 << 30) -> Source:
    """A source that reads piece by piece, and fails from an offset, or a number of reads, on."""
    reads = 0

    def read(_context: object, offset: int, target: object, count: int) -> bool:
        nonlocal reads
        reads += 1
        assert count > 0
        assert offset + count <= len(image), "reading beyond the image"
        if reads > most_reads or (broken_from is not None and offset + count > broken_from):
            return False
        ctypes.memmove(target, image[offset : offset + count], count)  # type: ignore[arg-type]
        return True

    return Source(SOURCE(read), None, len(image))


class Link:
    """A driver's device whose hooks feed an endpoint's model, over lines that may be faulty.

    Time is what the driver waits: a timeout passes at once, and what was held back arrives then.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        endpoint: Endpoint,
        *,
        to_device: FaultyLine | None = None,
        to_host: FaultyLine | None = None,
        most: int = 32,
        attempts: int = 0,
    ) -> None:
        self.library = library
        self.endpoint = endpoint
        self.to_device = to_device or FaultyLine(0)
        self.to_host = to_host or FaultyLine(0)
        self.most = most
        #: Every byte that the host has sent.
        self.requests = bytearray()
        self.timeouts = 0
        self.waiting: deque[int] = deque()
        self._paused = True
        self.failing = False
        #: Called with the number of bytes sent so far before any is sent.
        self.before: Callable[[int], None] = lambda _: None
        self.device = Device(
            write=WRITE(self._write), read=READ(self._read), timeout_ms=7, attempts=attempts
        )

    def _arrive(self, data: bytes, *, pause: bool) -> None:
        self.waiting.extend(self.to_host.send(self.endpoint.feed(data, pause=pause)))

    def _write(self, _context: object, data: object, count: int) -> bool:
        if self.failing:
            return False
        self.before(len(self.requests))
        sent = bytes(data[:count])  # type: ignore[index]
        self.requests += sent
        self._arrive(self.to_device.send(sent), pause=self._paused)
        self._paused = False
        return True

    def _read(self, _context: object, target: object, count: int, timeout: int) -> int:
        if self.failing:
            return -1
        assert timeout in (1, 7)
        if not self.waiting:
            self.timeouts += 1
            self._arrive(self.to_device.release(), pause=False)
            self.waiting.extend(self.to_host.release())
            self._paused = True
            return 0
        got = min(count, self.most, len(self.waiting))
        for i in range(got):
            target[i] = self.waiting.popleft()  # type: ignore[index]
        self._paused = self._paused or not self.waiting
        return got

    def call(self, name: str, *arguments: object) -> CError:
        """``celosia_<name>(device, *arguments)``."""
        function = getattr(self.library, f"celosia_{name}")
        return CError(function(byref(self.device), *arguments))

    def load(self, image: bytes) -> tuple[CError, Model]:
        """``celosia_load``, piece by piece."""
        model = Model()
        return self.call("load", byref(source_of(image)), byref(model)), model

    def run(self, model: Model, data: bytes) -> tuple[CError, bytes]:
        """``celosia_run``: the outputs' elements, between bytes that must not change."""
        ports = model.tensor[model.inputs : model.inputs + model.outputs]
        size = sum(port.elements for port in ports)
        output = (c_uint8 * (size + 16))(*[0xA5] * (size + 16))
        middle = ctypes.byref(output, 8)
        error = self.call("run", byref(model), data, middle)
        assert bytes(output)[:8] == bytes(output)[-8:] == b"\xa5" * 8
        return error, bytes(output)[8:-8]
