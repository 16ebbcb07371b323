# SPDX-License-Identifier: BSD-2-Clause
"""Requests to a device, repeated until they are answered (docs/protocol.md)."""

from __future__ import annotations

import random
import time

from celosia_hw.isa import Register, Space
from celosia_hw.link.protocol import (
    ANSWER_BYTES,
    CHECKSUM_BYTES,
    REGISTER_SPACE,
    Answer,
    Command,
    FrameError,
    Result,
    Unstuffer,
    parse_answer,
    request,
    stuff,
)

from .errors import DamagedLinkError, DeviceError, NoAnswerError, RequestError, StateLostError
from .transport import Transport

#: Most bytes that one request writes or reads: few enough to be repeated cheaply, and a multiple
#: of the rows of every memory.
PIECE_BYTES = 4096
#: What follows a damaged answer is waited for at most so long: longer than USB bridges pause.
_PAUSE = 0.05
#: READs have numbers that WRITE and SET are far from, and so many of them.
_READ_DISTANCE, _READ_NUMBERS = 128, 64
#: IDENTIFY begins anew so far from the numbers that were used last.
_IDENTIFY_DISTANCE = 64


class Link:
    """Reads and writes a device's memories and registers.

    Args:
        transport: the line.
        timeout: seconds to wait for an answer, beside the time that its bytes take.
        attempts: how often a request is sent before it is given up.

    ``retries`` counts the requests that were sent again.

    Raises (all requests):
        NoAnswerError, DamagedLinkError: the request was given up.
        StateLostError: the device does not know how far it was numbered: it was reset, or somebody
            else talks to it. Call ``identify``.
        RequestError: the device refused.
        PortError: the line is gone.
    """

    def __init__(self, transport: Transport, *, timeout: float = 0.5, attempts: int = 8) -> None:
        self.transport = transport
        self.timeout = timeout
        self.attempts = attempts
        self.retries = 0
        self._unstuffer = Unstuffer(limit=2 * PIECE_BYTES)
        #: The number of the last IDENTIFY, WRITE or SET that was done.
        self._last = random.randrange(256)
        #: False while nobody knows whether the request behind that one was done.
        self._certain = False
        self._reads = 0
        self._answered = False
        # Of the request at work: what arrived.
        self._damaged = 0
        self._bytes = 0

    def identify(self, words: int) -> bytes:
        """The first registers; the numbering begins anew."""
        return self._identify(words, (self._last + _IDENTIFY_DISTANCE) % 256)

    def _identify(self, words: int, number: int) -> bytes:
        self._certain = False
        answer = self._exchange(
            "identify itself", Command.IDENTIFY, number, words, REGISTER_SPACE << 28, words=words
        )
        self._last = number
        self._certain = True
        return answer.payload

    def registers(self, first: Register, words: int) -> list[int]:
        """Values of registers that follow one another, read in this order by one request."""
        content = self._read(REGISTER_SPACE, 4 * first, words)
        return [int.from_bytes(content[i : i + 4], "little") for i in range(0, len(content), 4)]

    def read(self, address: int, length: int) -> bytes:
        """Bytes of the scratchpad; both numbers are multiples of 4."""
        pieces = []
        for start in range(0, length, PIECE_BYTES):
            words = min(PIECE_BYTES, length - start) // 4
            pieces.append(self._read(Space.SCRATCH, address + start, words))
        return b"".join(pieces)

    def write(self, space: int, address: int, data: bytes) -> None:
        """Writes ``PIECE_BYTES`` at most; the length is a multiple of 4."""
        what = f"write {len(data)} bytes at {address:#x} of {Space(space).name}"
        self._numbered(what, Command.WRITE, len(data) // 4, space << 28 | address, data)

    def set(self, register: Register, value: int) -> None:
        self._numbered(f"set {register.name} to {value:#x}", Command.SET, int(register), value)

    def close(self) -> None:
        self.transport.close()

    def _read(self, space: int, address: int, words: int) -> bytes:
        self._reads = (self._reads + 1) % _READ_NUMBERS
        number = (self._last + _READ_DISTANCE + self._reads) % 256
        where = "the registers" if space == REGISTER_SPACE else Space(space).name
        what = f"read {4 * words} bytes at {address:#x} of {where}"
        argument = space << 28 | address
        return self._exchange(what, Command.READ, number, words, argument, words=words).payload

    def _numbered(
        self, what: str, command: Command, count: int, argument: int, payload: bytes = b""
    ) -> None:
        if not self._certain:
            # With the number of one that was given up, this one could be taken for its repetition.
            self.identify(1)
        number = (self._last + 1) % 256
        self._certain = False
        self._exchange(what, command, number, count, argument, payload)
        self._last = number
        self._certain = True

    def _exchange(
        self,
        what: str,
        command: Command,
        number: int,
        count: int,
        argument: int,
        payload: bytes = b"",
        *,
        words: int = 0,
    ) -> Answer:
        """Sends a request until it is answered; OK is the only result that is returned."""
        sent = stuff(request(command, number, count, argument, payload))
        # Every byte of the answer may be escaped.
        expected = 2 * (ANSWER_BYTES + 4 * words + CHECKSUM_BYTES) + 2
        patience = self.timeout + (len(sent) + expected) / self.transport.bytes_per_second
        self._damaged = self._bytes = 0
        for attempt in range(self.attempts):
            self.retries += attempt > 0
            self.transport.write(sent)
            answer = self._await(number, words, patience)
            if answer is None:
                continue
            self._answered = True
            if answer.result == Result.CHECKSUM:
                self._damaged += 1
            elif answer.result == Result.SEQUENCE:
                raise StateLostError(
                    f"{self.transport.name}: the device has lost count of the requests; was it "
                    "reset, or does another program talk to it?"
                )
            elif answer.result == Result.OK:
                return answer
            else:
                raise RequestError(what, answer.result)
        raise self._given_up(what)

    def _await(self, number: int, words: int, patience: float) -> Answer | None:
        """The answer with that number, if it arrives in time.

        Others are late answers to requests that were sent twice. An answer of another length is
        one of them as well: numbers come again.
        """
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            data = self.transport.read(left)
            if not data:
                break
            self._bytes += len(data)
            for frame in self._unstuffer.feed(data):
                try:
                    answer = parse_answer(frame)
                except FrameError:
                    self._damaged += 1
                    end = min(end, time.monotonic() + _PAUSE)
                    continue
                length = 4 * words if answer.result == Result.OK else 0
                if answer.sequence == number and len(answer.payload) == length:
                    return answer
        return None

    def _given_up(self, what: str) -> DeviceError:
        line, times = self.transport.name, f"in {self.attempts} attempts"
        if self._answered and self._damaged:
            return DamagedLinkError(
                f"{line}: the device did not {what} {times}, and {self._damaged} times what "
                f"arrived was damaged ({self.retries} repeats since the port was opened); check "
                "cable and ground, or use a lower speed"
            )
        if self._answered:
            return NoAnswerError(
                f"{line}: the device does not answer any more (it did not {what} {times}); is the "
                "board still connected, and was its FPGA loaded anew?"
            )
        if self._bytes:
            return NoAnswerError(
                f"{line}: what arrives are no answers ({self._bytes} bytes {times}); is the speed "
                "that of the design, and is it the right port?"
            )
        return NoAnswerError(
            f"{line}: no answer {times}; is it the right port, does the board have power, is the "
            "bitstream loaded ('celosia program'), and is the speed that of the design?"
        )
