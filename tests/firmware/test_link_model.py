# SPDX-License-Identifier: BSD-2-Clause
"""The endpoint's model against docs/protocol.md, rule by rule."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import IDENT_VALUE, Control, Error, Register, Space, Status
from celosia_hw.link.protocol import (
    FLAG,
    PROTOCOL_VERSION,
    REGISTER_SPACE,
    Answer,
    Command,
    Result,
    Unstuffer,
    parse_answer,
    request,
    stuff,
)
from celosia_sim.link_model import Endpoint, Memories

CONFIG = AcceleratorConfig(scratch_bytes=4096, weight_depth=16, parameter_depth=16)
REGISTERS = REGISTER_SPACE << 28


def endpoint(*, last: int = 9, busy: bool = False) -> tuple[Endpoint, Memories]:
    memories = Memories(CONFIG, lambda _: 50, busy_polls=1000 * busy)
    if busy:
        memories.set(Register.CONTROL, 1 << Control.START)
    return Endpoint(memories, last=last), memories


def answers(sent: bytes) -> list[Answer]:
    return [parse_answer(frame) for frame in Unstuffer().feed(sent)]


def ask(target: Endpoint, command: int, number: int, count: int, argument: int) -> Answer:
    found = answers(target.feed(stuff(request(command, number, count, argument))))
    assert len(found) == 1
    return found[0]


def test_identify_reads_and_begins_to_number_anew() -> None:
    target, _ = endpoint()
    found = ask(target, Command.IDENTIFY, 200, 8, REGISTERS)
    words = np.frombuffer(found.payload, "<u4").tolist()
    assert (found.sequence, found.result) == (200, Result.OK)
    assert words[:3] == [IDENT_VALUE, CONFIG.fingerprint, PROTOCOL_VERSION]
    assert words[3:] == [4096, CONFIG.weight_bytes, CONFIG.parameter_bytes, 0, 0]
    assert target.last == 200
    ask(target, Command.IDENTIFY, 3, 0, REGISTERS)
    assert target.last == 200


WEIGHTS, PARAMETERS = Space.WEIGHTS << 28, Space.PARAMETERS << 28
START = 1 << Control.START


@pytest.mark.parametrize(
    ("command", "number", "count", "argument", "idle", "busy"),
    [
        (0, 77, 0, 0, Result.COMMAND, Result.COMMAND),
        (5, 9, 1, 0, Result.COMMAND, Result.COMMAND),
        (Command.SET, 77, 2, 0, Result.COMMAND, Result.COMMAND),
        (Command.SET, 10, 11, 0, Result.COMMAND, Result.COMMAND),
        (Command.SET, 10, 16, 0, Result.COMMAND, Result.COMMAND),
        (Command.SET, 8, 12, 0, Result.SEQUENCE, Result.SEQUENCE),
        (Command.SET, 11, 15, START, Result.SEQUENCE, Result.SEQUENCE),
        (Command.SET, 9, 15, START, Result.OK, Result.OK),
        (Command.SET, 9, 0, 1, Result.MISMATCH, Result.MISMATCH),
        (Command.SET, 10, 0, 1, Result.MISMATCH, Result.MISMATCH),
        (Command.SET, 10, 1, CONFIG.fingerprint ^ 1, Result.MISMATCH, Result.MISMATCH),
        (Command.SET, 10, 1, CONFIG.fingerprint, Result.OK, Result.OK),
        (Command.SET, 10, 15, START, Result.OK, Result.STATE),
        (Command.SET, 10, 15, 1 << Control.CONTINUE, Result.OK, Result.STATE),
        (Command.SET, 10, 15, 1 << Control.RESET, Result.OK, Result.OK),
        (Command.SET, 10, 13, 5, Result.OK, Result.OK),
        (Command.WRITE, 8, 0, 2, Result.SEQUENCE, Result.SEQUENCE),
        (Command.WRITE, 10, 0, 2, Result.LENGTH, Result.LENGTH),
        (Command.WRITE, 10, 1, 2, Result.ADDRESS, Result.ADDRESS),
        (Command.WRITE, 10, 1, 4096, Result.ADDRESS, Result.ADDRESS),
        (Command.WRITE, 10, 2, 4092, Result.ADDRESS, Result.ADDRESS),
        (Command.WRITE, 10, 1, REGISTERS, Result.ADDRESS, Result.ADDRESS),
        (Command.WRITE, 10, 1, 4 << 28, Result.ADDRESS, Result.ADDRESS),
        (Command.WRITE, 10, 1, WEIGHTS + 8, Result.ADDRESS, Result.ADDRESS),
        (Command.WRITE, 10, 1, PARAMETERS + 4, Result.ADDRESS, Result.ADDRESS),
        (Command.WRITE, 10, 5, WEIGHTS + 240, Result.ADDRESS, Result.ADDRESS),
        (Command.WRITE, 10, 4, WEIGHTS + 240, Result.OK, Result.STATE),
        (Command.WRITE, 10, 1, 4092, Result.OK, Result.STATE),
        (Command.READ, 77, 0, 2, Result.LENGTH, Result.LENGTH),
        (Command.READ, 77, 1, 2, Result.ADDRESS, Result.ADDRESS),
        (Command.READ, 77, 1, WEIGHTS, Result.ADDRESS, Result.ADDRESS),
        (Command.READ, 77, 1, PARAMETERS, Result.ADDRESS, Result.ADDRESS),
        (Command.READ, 77, 9, REGISTERS, Result.ADDRESS, Result.ADDRESS),
        (Command.READ, 77, 1, REGISTERS + 32, Result.ADDRESS, Result.ADDRESS),
        (Command.READ, 77, 8, REGISTERS, Result.OK, Result.OK),
        (Command.READ, 77, 1024, 0, Result.OK, Result.STATE),
        (Command.IDENTIFY, 77, 1, 0, Result.OK, Result.STATE),
    ],
)
def test_results_in_their_order(
    command: int, number: int, count: int, argument: int, idle: Result, busy: Result
) -> None:
    for result, runs in ((idle, False), (busy, True)):
        target, memories = endpoint(busy=runs)
        before = {space: bytes(content) for space, content in memories.memory.items()}
        payload = b"\x55" * 4 * count
        sent = target.feed(stuff(request(command, number, count, argument, payload)))
        assert [(a.sequence, a.result) for a in answers(sent)] == [(number, result)]
        counts = command in (Command.WRITE, Command.SET, Command.IDENTIFY)
        assert target.last == (number if counts and result == Result.OK else 9)
        if command != Command.WRITE or result != Result.OK:
            assert before == memories.memory


@pytest.mark.parametrize("cut", range(1, 29))
def test_a_frame_that_is_cut_is_forgotten(cut: int) -> None:
    target, memories = endpoint()
    frame = stuff(request(Command.WRITE, 10, 3, 64, b"abcdefghijkl"))
    assert target.feed(frame[:cut]) == b""
    assert target.last == 9
    found = answers(target.feed(frame))
    assert found == [Answer(10, Result.OK)]
    assert memories.memory[0][64:76] == b"abcdefghijkl"


def test_a_damaged_header_is_not_answered_and_changes_nothing() -> None:
    frame = request(Command.SET, 10, Register.WATCHDOG, 0x12345678)
    for byte, bit in itertools.product(range(len(frame)), range(8)):
        target, memories = endpoint()
        bad = bytearray(frame)
        bad[byte] ^= 1 << bit
        assert target.feed(stuff(bytes(bad))) == b""
        assert (target.last, memories.registers[Register.WATCHDOG]) == (9, 0)
        assert ask(target, Command.SET, 10, Register.WATCHDOG, 7) == Answer(10, Result.OK)


def test_behind_a_damaged_header_only_a_flag_begins() -> None:
    target, _ = endpoint()
    frame = request(Command.SET, 10, 12, 0)
    bad = frame[:3] + bytes((frame[3] ^ 1,)) + frame[4:]
    assert target.feed(bytes((FLAG,)) + bad + frame) == b""
    assert answers(target.feed(bytes((FLAG,)) + frame)) == [Answer(10, Result.OK)]


def test_bytes_before_the_first_flag_are_ignored() -> None:
    target, _ = endpoint()
    assert target.feed(request(Command.SET, 10, 12, 0)) == b""


def test_words_are_written_as_they_come_and_counted_if_they_are_right() -> None:
    target, memories = endpoint()
    payload = bytes(range(16))
    frame = bytearray(request(Command.WRITE, 10, 4, 128, payload))
    frame[20] ^= 0x40
    assert answers(target.feed(stuff(bytes(frame)))) == [Answer(10, Result.CHECKSUM)]
    assert memories.memory[0][128:144] == bytes(frame[12:28])
    assert target.last == 9
    again = request(Command.WRITE, 10, 4, 128, payload)
    assert answers(target.feed(stuff(again))) == [Answer(10, Result.OK)]
    assert memories.memory[0][128:144] == payload
    assert target.last == 10
    # A repetition is answered, not done.
    memories.memory[0][128:144] = bytes(16)
    assert answers(target.feed(stuff(again))) == [Answer(10, Result.OK)]
    assert answers(target.feed(stuff(bytes(frame)))) == [Answer(10, Result.CHECKSUM)]
    assert memories.memory[0][128:144] == bytes(16)


def test_a_run_is_started_once() -> None:
    target, memories = endpoint()
    ask(target, Command.SET, 10, Register.START, 64)
    for _ in range(3):
        assert ask(target, Command.SET, 11, Register.CONTROL, START) == Answer(11, Result.OK)
    assert memories.started == [64]
    memories.busy_polls = 2
    ask(target, Command.SET, 12, Register.CONTROL, START)
    polls = [ask(target, Command.READ, 0, 2, REGISTERS + 24).payload for _ in range(3)]
    status = [int.from_bytes(poll[:4], "little") for poll in polls]
    assert status == [1 << Status.BUSY, 1 << Status.BUSY, 1 << Status.DONE]
    assert polls[2][4:] == (50).to_bytes(4, "little")
    ask(target, Command.SET, 13, Register.WATCHDOG, 49)
    memories.busy_polls = 0
    ask(target, Command.SET, 14, Register.CONTROL, START)
    assert memories.error == Error.WATCHDOG
    assert not memories.done


def test_numbers_wrap() -> None:
    target, _ = endpoint(last=254)
    for number in (255, 0, 1):
        assert ask(target, Command.SET, number, Register.START, 0) == Answer(number, Result.OK)


def test_what_arrives_while_an_answer_is_sent_is_lost() -> None:
    read = stuff(request(Command.READ, 1, 2, 0))
    for gap in range(40):
        target, _ = endpoint()
        # The answer begins before the flag at the end of the request, and has 16 bytes or more.
        first = target.feed(read)
        deaf = len(first) - 1
        found = target.feed(bytes(gap) + read, pause=False)
        assert bool(found) == (gap >= deaf)
        target, _ = endpoint()
        target.feed(read)
        assert target.feed(read)


def test_any_bytes_in_any_pieces_give_the_same_answers() -> None:
    rng = np.random.default_rng(7)
    for _ in range(30):
        stream = b""
        number = 9
        for _ in range(20):
            number += 1
            data = rng.choice([0x7E, 0x7D, 0x20, 0x5E], 8).astype(np.uint8).tobytes()
            stream += stuff(request(Command.WRITE, number, 2, 8 * number, data))
            stream += bytes((FLAG,)) * 30
            stream += rng.bytes(int(rng.integers(0, 9)))
        whole, memories = endpoint()
        sent = whole.feed(stream)
        assert [a.sequence for a in answers(sent)] == list(range(10, 30))
        single, others = endpoint()
        assert b"".join(single.feed(bytes((b,)), pause=False) for b in stream) == sent
        assert memories.memory == others.memory
