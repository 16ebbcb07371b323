# SPDX-License-Identifier: BSD-2-Clause
"""The stream contract, for proofs."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Signal, Value, ValueLike

from .harness import Harness


def _kept(h: Harness, stream: Any, *, payload: bool = True) -> Value:
    """Whether a value that had to wait still waits, unchanged."""
    now = Value.cast(stream.payload)
    same = now == h.past(now, name="waiting") if payload else 1
    return ~h.past(stream.valid & ~stream.ready, name="waited") | (stream.valid & same)


def assume_stream(h: Harness, stream: Any) -> None:
    """Drives ``valid`` and ``payload`` with anything that keeps the contract."""
    payload = Value.cast(stream.payload)
    h.m.d.comb += [
        stream.valid.eq(h.free(1, "valid")),
        payload.eq(h.free(len(payload), "payload")),
        Assume(_kept(h, stream)),
    ]


def assert_stream(h: Harness, stream: Any, *, payload: bool = True, reset: ValueLike = 0) -> None:
    """``valid`` does not fall before ``ready``, and ``payload`` does not change: where that comes
    from a watched memory, a ``Passage`` to ``stream`` says so. With ``reset`` a value is dropped.
    """
    h.m.d.comb += Assert(_kept(h, stream, payload=payload) | h.past(reset, name="was_reset"))


class Passage:
    """What goes in at ``source`` comes out at ``sink``: asserts that nothing is lost, doubled,
    invented or altered, and that order is kept.

    Watches one value, the one of a number, which is any: values are counted where they go in and
    out, modulo a power of two above ``places``, the most that are inside at a time. ``level`` are
    inside; ``value`` is the watched one.
    """

    def __init__(self, h: Harness, source: Any, sink: Any, *, places: int) -> None:
        self.places = places
        bits = places.bit_length() + 1
        payload = Value.cast(source.payload)
        self.number = h.constant(bits, "number")
        self.put, self.got, self.level = (Signal(bits, name=n) for n in ("put", "got", "level"))
        self.value = Signal(len(payload), name="value")
        puts, gets = source.valid & source.ready, sink.valid & sink.ready
        with h.m.If(puts):
            h.m.d.sync += self.put.eq(self.put + 1)
            with h.m.If(self.put == self.number):
                h.m.d.sync += self.value.eq(payload)
        with h.m.If(gets):
            h.m.d.sync += self.got.eq(self.got + 1)
        h.m.d.comb += [
            self.level.eq(self.put - self.got),
            Assert(self.level <= places),
            Assert(~sink.valid | (self.level != 0)),
            Assert(~(sink.valid & self.inside(0)) | (Value.cast(sink.payload) == self.value)),
        ]

    def inside(self, place: int | Value) -> Value:
        """Whether the watched value is the one that ``place`` others that are inside go before."""
        bits = len(self.number)
        return (self.level > place) & (self.number == (self.got + place)[:bits])


def assert_skid_buffer(h: Harness, passage: Passage, full: Value, second: Value) -> None:
    """What induction has to know of the second place of a ``SkidBuffer``."""
    h.m.d.comb += [
        Assert(full == (passage.level == 2)),
        Assert(~passage.inside(1) | (second == passage.value)),
    ]
