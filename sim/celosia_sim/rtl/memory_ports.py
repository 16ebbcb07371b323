# SPDX-License-Identifier: BSD-2-Clause
"""Memories that answer a block's read and write ports."""

from __future__ import annotations

from collections import deque
from typing import Any

from .cycles import Bench, Stall, never
from .streams import StreamSink
from .values import to_bits, width_of


class _Answers(StreamSink):
    """Takes requests and answers each of them ``latency`` cycles later; else shows noise."""

    def __init__(self, bench: Bench, port: str, stall: Stall, latency: int) -> None:
        super().__init__(bench, f"{port}__request", stall)
        self.port = port
        self.latency = latency
        self._due: deque[tuple[int, dict[str, int]]] = deque()

    def answer(self, **signals: int) -> None:
        self._due.append((self.bench.cycle + self.latency, signals))

    def reset(self) -> None:
        """The block and the memory were reset: no answer is due."""
        super().reset()
        self._due.clear()

    def drive(self) -> None:
        super().drive()
        bench = self.bench
        now = bool(self._due) and self._due[0][0] == bench.cycle
        bench.set_bits(f"{self.port}__valid", int(now))
        if now:
            signals = self._due.popleft()[1]
        else:
            width = width_of(bench.shapes[f"{self.port}__data"])
            signals = {"data": bench.rng.getrandbits(width)}
        for name, bits in signals.items():
            bench.set_bits(f"{self.port}__{name}", bits)


class WordMemory(_Answers):
    """Answers a ``ReadSignature`` port from ``content``, whose size is a multiple of a word."""

    def __init__(
        self, bench: Bench, port: str, content: bytearray, stall: Stall = never, *, latency: int
    ) -> None:
        super().__init__(bench, port, stall, latency)
        self.content = content
        self._bytes = width_of(bench.shapes[f"{port}__data"]) // 8

    def transferred(self, value: Any) -> None:
        start = value * self._bytes
        self.answer(data=int.from_bytes(self.content[start : start + self._bytes], "little"))


class BufferedWordMemory(WordMemory):
    """A ``WordMemory`` that accepts two requests before it grants one, which ``stall`` delays, and
    answers ``latency`` cycles after a request that did not have to wait."""

    PLACES = 2

    def __init__(
        self, bench: Bench, port: str, content: bytearray, stall: Stall = never, *, latency: int
    ) -> None:
        super().__init__(bench, port, content, self._is_full, latency=latency - 1)
        self.grant_stall = stall
        self._buffer: deque[int] = deque()

    def _is_full(self) -> bool:
        return len(self._buffer) == self.PLACES

    def sample(self) -> None:
        if self._buffer and not self.grant_stall():
            super().transferred(self._buffer.popleft())
        super().sample()

    def transferred(self, value: Any) -> None:
        self._buffer.append(value)

    def reset(self) -> None:
        super().reset()
        self._buffer.clear()


class ByteMemory(_Answers):
    """Answers a fetch port from ``content``, of which a fetch beyond the end begins anew."""

    def __init__(
        self, bench: Bench, port: str, content: bytearray, stall: Stall = never, *, latency: int
    ) -> None:
        super().__init__(bench, port, stall, latency)
        self.content = content
        self._bytes = width_of(bench.shapes[f"{port}__data"]) // 8

    def transferred(self, value: Any) -> None:
        start = value["address"]
        size = len(self.content)
        taken = bytes(self.content[(start + i) % size] for i in range(self._bytes))
        tag = to_bits(self.bench.shapes[f"{self.port}__tag"], value["tag"])
        self.answer(data=int.from_bytes(taken, "little"), tag=tag)


class WriteMemory(StreamSink):
    """Takes writes of ``write_layout`` into ``content``.

    ``urgent`` may rise while a write waits; what is urgent must not be stalled.
    """

    def __init__(
        self,
        bench: Bench,
        port: str,
        content: bytearray,
        stall: Stall = never,
    ) -> None:
        layout = bench.shapes[f"{port}__payload"]
        super().__init__(bench, port, stall, may_change=to_bits(layout, {"urgent": 1}))
        self.content = content
        self._bytes = layout["enable"].width

    def transferred(self, value: Any) -> None:
        start = value["word"] * self._bytes
        data = value["data"].to_bytes(self._bytes, "little")
        assert value["enable"], f"{self.name}: a write of no byte"
        for byte in range(self._bytes):
            if value["enable"] >> byte & 1:
                self.content[start + byte] = data[byte]
