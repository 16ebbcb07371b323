# SPDX-License-Identifier: BSD-2-Clause
"""Executes the requests of the framed protocol (docs/protocol.md) on the control port."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..gateware.interfaces import ControlSignature
from ..gateware.one_hot import OneHot
from ..isa import Boot, Register
from .checks import HEAD_LAYOUT, READABLE, Checks
from .protocol import Command, Result
from .stuffing import Deframer, Enframer

#: CRC-32 of ISO 3309, the lowest bit first.
_POLYNOMIAL = 0xEDB88320


def link_members(*, boots: bool) -> dict[str, Any]:
    """Members that every front end with an endpoint has."""
    members = {"busy": In(1), "control": Out(ControlSignature()), "boot": Out(Boot)}
    if boots:
        members["i_boot"] = In(stream.Signature(1))
        members["boot_word_end"] = Out(1)
    return members


def join_link(m: Module, link: Any, endpoint: Endpoint) -> None:
    """Connects them with the endpoint's."""
    connect(m, endpoint.control, flipped(link.control))
    m.d.comb += [endpoint.busy.eq(link.busy), link.boot.eq(endpoint.boot)]
    if endpoint.boots:
        connect(m, flipped(link.i_boot), endpoint.i_boot)
        m.d.comb += link.boot_word_end.eq(endpoint.boot_word_end)


class Endpoint(wiring.Component):
    """Takes requests as bytes, accesses the control port, and gives answers as bytes.

    ``listening`` is low while an answer is sent: bytes of the host are lost then. ``busy`` is that
    of the accelerator.

    With ``boots`` requests come from ``i_boot`` first, bit by bit, without flags and escapes, and
    are not answered, until END or an error; ``boot`` says what became of it. ``boot_word_end`` is
    high when the last bit of 32 is taken.

    All is done bit by bit, as there is time enough and little room. A field is a word of 32 bits,
    but for an answer's first one, which is half of that. Throughput: a byte every 9 cycles, and the
    accesses. Latency: an answer begins at most 4 cycles behind the access that it tells of, and a
    request without words to write is executed 12 cycles behind its last byte.
    """

    def __init__(self, config: AcceleratorConfig, *, boots: bool = False) -> None:
        self.config = config
        self.boots = boots
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "listening": Out(1),
                **link_members(boots=boots),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port = self.control
        m.submodules.deframer = deframer = Deframer()
        m.submodules.enframer = enframer = Enframer()
        m.submodules.checks = checks = Checks(self.config, boots=self.boots)
        connect(m, flipped(self.i), deframer.i)
        connect(m, enframer.o, flipped(self.o))

        state = OneHot(
            *("SKIP", "HEAD", "ARGUMENT", "CHECK", "DECIDE", "DO", "SET", "ADDRESS"),
            *("DATA", "STORE", "DATA_CHECK", "JUDGE"),
            *("OPEN", "TITLE", "FETCH", "SEND", "SUM", "CLOSE"),
        )
        checking = state.any("CHECK", "DATA_CHECK", "SUM")
        passing = state.any("DATA", "SEND")
        receiving = Signal()
        sending = Signal()
        answering = Signal()
        raw = Signal(init=self.boots)  # requests come from ``i_boot``
        begin = Signal()
        m.d.comb += [
            receiving.eq(state.any("HEAD", "ARGUMENT", "CHECK", "DATA", "DATA_CHECK")),
            sending.eq(state.any("TITLE", "SEND", "SUM")),
            answering.eq(state.any("TITLE", "FETCH", "SEND", "SUM", "CLOSE")),
            # A boot stream has no flags.
            begin.eq(Mux(raw, state["SKIP"], deframer.begin)),
            self.listening.eq(~raw & ~answering & ~state["OPEN"]),
        ]

        # Bits pass through ``byte``. It is ``full`` while it is read, and when it is to be sent.
        byte = Signal(8, reset_less=True)
        full = Signal()
        place = Signal(5)  # of the bit in its word
        shifting = Signal()
        word_end = Signal()
        received = Signal()
        sent = Signal()
        accepts = receiving & ~full
        arrived = full
        if self.boots:
            arrived = full | (raw & self.i_boot.valid)
        m.d.comb += [
            received.eq(byte[0]),
            shifting.eq(Mux(sending, ~full, receiving & arrived)),
            word_end.eq(shifting & place.all()),
            deframer.o.ready.eq((state["SKIP"] | accepts) & ~raw),
            enframer.i.p.byte.eq(byte),
            enframer.i.p.flag.eq(~full),
            enframer.i.valid.eq(((full | state["CLOSE"]) & answering) | (state["OPEN"] & ~raw)),
        ]
        with m.If(shifting):
            m.d.sync += [byte.eq(Cat(byte[1:], sent)), place.eq(place + 1)]
            with m.If(place[:3].all() & ~raw):
                m.d.sync += full.eq(~full)
        with m.If(accepts):
            m.d.sync += [byte.eq(deframer.o.payload), full.eq(deframer.o.valid)]
        if self.boots:
            m.d.comb += [self.i_boot.ready.eq(receiving), self.boot_word_end.eq(place.all())]
            with m.If(raw):
                m.d.comb += received.eq(self.i_boot.payload)
        with m.If(answering & full & enframer.i.ready):
            m.d.sync += full.eq(0)
        with m.If(begin):
            m.d.sync += place.eq(0)
        with m.If(state["OPEN"]):
            m.d.sync += place.eq(16)

        # The words of a request.
        head = Signal(HEAD_LAYOUT, reset_less=True)
        count, sequence = head.count, head.sequence
        word = Signal(32, reset_less=True)  # the argument, or data
        is_write = head.command == Command.WRITE
        is_set = head.command == Command.SET
        with m.If(shifting & (state["ARGUMENT"] | passing)):
            m.d.sync += word.eq(Cat(word[1:], received))
        with m.If(shifting & state["HEAD"]):
            m.d.sync += head.as_value()[:16].eq(head.as_value()[1:17])
        with m.If(shifting & state["TITLE"] & ~place[3]):
            m.d.sync += sequence.eq(Cat(sequence[1:], sequence[0]))

        # The count goes round while it is added to the address, and while a word passes, less one.
        # ``some`` says that it is not zero.
        adds = Signal()
        borrow = Signal()
        some = Signal()
        enters = Mux(state["HEAD"], received, count[0] ^ borrow)
        before_count = state["HEAD"] & ~place[4]
        anew = passing & ~place[:4].any()
        from_2_to_17 = place[4] ^ place[1:4].any()
        m.d.comb += adds.eq(state["ARGUMENT"] & ~is_set & from_2_to_17)
        with m.If(shifting & (state["HEAD"] | adds | (passing & ~place[4]))):
            m.d.sync += [
                count.eq(Cat(count[1:], enters)),
                borrow.eq(borrow & ~count[0]),
                some.eq(((some & ~anew) | enters) & ~before_count),
            ]
        with m.If(begin):
            m.d.sync += borrow.eq(0)
        with m.If(state.any("DO", "STORE", "FETCH")):
            m.d.sync += borrow.eq(1)

        # The checksum of what passes. At the end it is compared with what is received, or sent.
        crc = Signal(32, reset_less=True)
        bad = Signal()
        with m.If(shifting):
            feedback = ~checking & (crc[0] ^ Mux(sending, sent, received))
            m.d.sync += crc.eq((crc >> 1) ^ Mux(feedback, _POLYNOMIAL, 0))
            with m.If(checking & (received == crc[0])):
                m.d.sync += bad.eq(1)
        with m.If(begin | state.any("DO", "OPEN")):
            m.d.sync += [crc.eq(~0), bad.eq(0)]

        # What becomes of a request.
        result = Signal(Result)
        registers = Signal(reset_less=True)
        register = Signal(range(READABLE), reset_less=True)
        m.d.comb += [
            checks.begin.eq(begin),
            checks.bit.eq(received),
            checks.place.eq(place),
            checks.heading.eq(shifting & state["HEAD"]),
            checks.arguing.eq(shifting & state["ARGUMENT"]),
            checks.addend.eq(adds & count[0]),
            checks.head.eq(head),
            checks.argument.eq(word),
            checks.some.eq(some),
            checks.busy.eq(self.busy),
            checks.accept.eq(
                state["OPEN"] & (result == Result.OK) & (head.command != Command.READ)
            ),
        ]
        with m.If(state["DECIDE"]):
            m.d.sync += [
                result.eq(checks.result),
                registers.eq(checks.registers),
                register.eq(word[2:]),
            ]
        with m.If(state["JUDGE"] & bad):
            m.d.sync += result.eq(Result.CHECKSUM)

        # What is sent: data, the head of an answer, or a checksum.
        code = Cat(result, Const(0, 5)).bit_select(place[:3], 1)
        title = Mux(place[3], code, sequence[0])
        m.d.comb += sent.eq(
            (state["TITLE"] & title) | (state["SEND"] & word[0]) | (state["SUM"] & ~crc[0])
        )

        # Accesses.
        m.d.comb += [
            port.valid.eq(
                state.any("SET", "ADDRESS", "FETCH") | (state["STORE"] & ~checks.repeats)
            ),
            port.write.eq(~state["FETCH"]),
            port.write_data.eq(word),
            port.address.eq(Register.DATA),
        ]
        with m.If(state["SET"]):
            m.d.comb += port.address.eq(count)
        with m.If(state["ADDRESS"]):
            m.d.comb += port.address.eq(Register.ADDRESS)
        with m.If(state["FETCH"]):
            with m.If(registers):
                m.d.comb += port.address.eq(register)
            with m.If(port.ready):
                m.d.sync += [word.eq(port.read_data), register.eq(register + 1)]

        go = state.go
        for source in ("SKIP", "ARGUMENT", "CHECK", "DATA", "DATA_CHECK"):
            go(source, "HEAD", begin)
        go("HEAD", "ARGUMENT", word_end)
        go("ARGUMENT", "CHECK", word_end)
        go("CHECK", "DECIDE", word_end)
        go("DECIDE", "SKIP", bad)
        go("DECIDE", "DO", ~bad)
        wrong = result != Result.OK
        nothing = wrong | Mux(is_set, checks.compares | checks.repeats, ~is_write & registers)
        go("DO", "OPEN", nothing)
        go("DO", "SET", ~nothing & is_set)
        go("DO", "DATA", ~nothing & ~is_set & checks.repeats)
        go("DO", "ADDRESS", ~nothing & ~is_set & ~checks.repeats)
        go("SET", "OPEN", port.ready)
        go("ADDRESS", "DATA", port.ready & is_write)
        go("ADDRESS", "OPEN", port.ready & ~is_write)
        go("DATA", "STORE", word_end)
        stored = port.ready | checks.repeats
        go("STORE", "DATA", stored & some)
        go("STORE", "DATA_CHECK", stored & ~some)
        go("DATA_CHECK", "JUDGE", word_end)
        go("JUDGE", "OPEN")
        go("OPEN", "SKIP", raw)
        go("OPEN", "TITLE", ~raw & enframer.i.ready)
        has_words = ~wrong & ~is_write & ~is_set
        go("TITLE", "FETCH", word_end & has_words)
        go("TITLE", "SUM", word_end & ~has_words)
        go("FETCH", "SEND", port.ready)
        go("SEND", "FETCH", word_end & some)
        go("SEND", "SUM", word_end & ~some)
        go("SUM", "CLOSE", word_end)
        go("CLOSE", "SKIP", enframer.i.ready & ~full)
        state.build(m)

        if self.boots:
            booted = Signal()
            m.d.comb += self.boot.eq(Mux(raw, Boot.BUSY, Mux(booted, Boot.DONE, Boot.FAILED)))
            with m.If((state["DECIDE"] & bad) | (state["OPEN"] & wrong)):
                m.d.sync += raw.eq(0)
                with m.If(raw):
                    m.d.comb += checks.forget.eq(1)
                    # END is what no link knows.
                    ended = ~is_set & (result == Result.COMMAND)
                    m.d.sync += booted.eq(state["OPEN"] & ended)
        return m
