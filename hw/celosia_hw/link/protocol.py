# SPDX-License-Identifier: BSD-2-Clause
"""Requests and answers of the framed protocol: numbers, layouts, encoding.

docs/protocol.md says what they mean. The byte stuffing is that of RFC 1662, the checksum CRC-32
(ISO 3309, as in zlib).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

#: Version of the protocol, in register LINK.
PROTOCOL_VERSION = 1

#: Begins and ends a frame; between frames it means nothing.
FLAG = 0x7E
#: Announces that the byte that follows has been changed by ESCAPE_CHANGE.
ESCAPE = 0x7D
ESCAPE_CHANGE = 0x20

#: The space with the registers, beside those of ``isa.Space``.
REGISTER_SPACE = 3

#: Most words that a request can read or write.
COUNT_LIMIT = (1 << 16) - 1
CHECKSUM_BYTES = 4

_REQUEST = struct.Struct("<BBHI")
_ANSWER = struct.Struct("<BB")
#: Bytes of a request before its first checksum, and of an answer before its payload.
REQUEST_BYTES = _REQUEST.size
ANSWER_BYTES = _ANSWER.size


class Command(IntEnum):
    """What a request asks for."""

    END = 0  # the end of a boot stream; not for links
    READ = 1  # ``count`` words of memory or registers
    WRITE = 2  # ``count`` words of memory, which follow
    SET = 3  # register number ``count`` to ``argument``
    IDENTIFY = 4  # as READ, and begins to number anew


class Result(IntEnum):
    """What became of a request."""

    OK = 0
    CHECKSUM = 1  # the words to write were damaged
    COMMAND = 2  # unknown command, or a register that cannot be set
    LENGTH = 3  # no words are asked for
    ADDRESS = 4  # not all of the words exist, or the address is not a multiple of what it must be
    STATE = 5  # not while a run is busy
    SEQUENCE = 6  # the number is neither the next one nor the last one
    MISMATCH = 7  # the accelerator has another version or configuration


class FrameError(ValueError):
    """A frame that is damaged or not an answer."""


@dataclass(frozen=True)
class Answer:
    """``payload`` holds whole 32-bit words; only READ and IDENTIFY have one."""

    sequence: int
    result: int
    payload: bytes = b""


def checksum(data: bytes) -> bytes:
    """The four bytes of a checksum."""
    return zlib.crc32(data).to_bytes(CHECKSUM_BYTES, "little")


def request(command: int, sequence: int, count: int, argument: int, payload: bytes = b"") -> bytes:
    """A request without flags and escapes, as boot streams have it."""
    header = _REQUEST.pack(command, sequence, count, argument)
    frame = header + checksum(header)
    if command == Command.WRITE:
        frame += payload + checksum(payload)
    return frame


def answer(sequence: int, result: int, payload: bytes = b"") -> bytes:
    """An answer without flags and escapes."""
    body = _ANSWER.pack(sequence, result) + payload
    return body + checksum(body)


def parse_answer(frame: bytes) -> Answer:
    """The answer that a frame without flags and escapes holds.

    Raises:
        FrameError: it is too short, has a wrong checksum, or no whole words.
    """
    body = frame[:-CHECKSUM_BYTES]
    if len(body) < ANSWER_BYTES or (len(body) - ANSWER_BYTES) % 4:
        raise FrameError(f"an answer cannot have {len(frame)} bytes")
    if checksum(body) != frame[-CHECKSUM_BYTES:]:
        raise FrameError("the checksum of an answer is wrong")
    sequence, result = _ANSWER.unpack_from(body)
    return Answer(sequence, result, bytes(body[ANSWER_BYTES:]))


def stuff(frame: bytes) -> bytes:
    """A frame between flags, for a serial line."""
    stuffed = bytearray((FLAG,))
    for byte in frame:
        if byte in (FLAG, ESCAPE):
            stuffed += bytes((ESCAPE, byte ^ ESCAPE_CHANGE))
        else:
            stuffed.append(byte)
    stuffed.append(FLAG)
    return bytes(stuffed)


class Unstuffer:
    """Finds frames in what a serial line brings, in pieces of any size.

    Bytes before the first flag, and frames longer than ``limit`` bytes, are dropped.
    """

    def __init__(self, limit: int = 4 * COUNT_LIMIT + 64) -> None:
        self.limit = limit
        self._frame: bytearray | None = None
        self._escaped = False

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that end in ``data``, without flags and escapes; no empty ones."""
        frames = []
        for byte in data:
            if byte == FLAG:
                if self._frame and not self._escaped:
                    frames.append(bytes(self._frame))
                self._frame, self._escaped = bytearray(), False
            elif self._frame is None:
                continue
            elif byte == ESCAPE:
                self._escaped = True
            else:
                self._frame.append(byte ^ ESCAPE_CHANGE if self._escaped else byte)
                self._escaped = False
                if len(self._frame) > self.limit:
                    self._frame = None
        return frames
