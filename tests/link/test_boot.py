# SPDX-License-Identifier: BSD-2-Clause
"""Endpoint with a boot stream: it is executed bit by bit without an answer, up to END or an error,
and the host is heard behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
from tests.link.test_endpoint import CONFIG, Host, at

from celosia_hw.isa import IDENT_VALUE, Boot, Register, Space
from celosia_hw.link.endpoint import Endpoint
from celosia_hw.link.protocol import REGISTER_SPACE, Answer, Command, Result, request, stuff
from celosia_sim.rtl.block import start_bench
from celosia_sim.rtl.streams import StreamSource


def make() -> Endpoint:
    return Endpoint(CONFIG, boots=True)


def test_boot(run_block: Callable[..., None]) -> None:
    run_block(make)


def stream(*requests: tuple[int, int, int, bytes]) -> bytes:
    """Requests with numbers from 1 on."""
    return b"".join(
        request(command, number, count, argument, words)
        for number, (command, count, argument, words) in enumerate(requests, start=1)
    )


def set_to(register: int, value: int) -> tuple[int, int, int, bytes]:
    return Command.SET, register, value, b""


END = (Command.END, 0, 0, b"")
GOOD = (set_to(Register.IDENT, IDENT_VALUE), set_to(Register.CONFIG, CONFIG.fingerprint))


async def boot(dut: Any, name: str, *, damage: int | None, requests: list[Any]) -> tuple[Host, int]:
    """The host behind a boot, and how it ended."""
    bench = await start_bench(dut, make, name)
    host = Host(bench)
    content = bytearray(stream(*requests))
    if damage is not None:
        content[damage] ^= 1 << bench.rng.randrange(8)
    bits = [byte >> bit & 1 for byte in content for bit in range(8)]
    source = StreamSource(bench, "i_boot", bench.stalls())
    # More follows, as in a memory.
    source.send(bits + [1] * 64)
    assert bench.get("boot") == Boot.BUSY
    assert not bench.get("listening")
    await bench.run(lambda: bench.get("boot") != Boot.BUSY, limit=100_000)
    state = bench.get("boot")
    await bench.step(20)
    assert host.answers() == []
    assert bench.get("boot") == state
    return host, state


async def heard(host: Host) -> None:
    """The host has to identify itself, and then all is as without a boot."""
    host.port.accesses.clear()
    for number in range(5):
        frame = stuff(request(Command.SET, number, Register.START, 4))
        assert await host.send(frame) == [Answer(number, Result.SEQUENCE)]
    assert not host.port.accesses
    await host.identify(9)
    assert await host.do(Command.SET, Register.START, 77) == Result.OK
    assert host.port.accesses == [(True, Register.START, 77)]


@cocotb.test()
async def a_good_stream(dut: Any) -> None:
    words = bytes(range(7, 7 + 80)) + b"\x7e\x7d\x7e\x7d"
    requests = [
        *GOOD,
        (Command.WRITE, 21, at(Space.SCRATCH, 400), words),
        (Command.WRITE, 4, at(Space.WEIGHTS, 16), words[:16]),
        set_to(Register.START, 0x1234),
        END,
    ]
    host, state = await boot(dut, "good", damage=None, requests=requests)
    assert state == Boot.DONE

    def written(content: bytes) -> list[tuple[bool, int, int]]:
        units = memoryview(content).cast("I")
        return [(True, Register.DATA, unit) for unit in units]

    assert host.port.accesses == [
        (True, Register.ADDRESS, at(Space.SCRATCH, 400)),
        *written(words),
        (True, Register.ADDRESS, at(Space.WEIGHTS, 16)),
        *written(words[:16]),
        (True, Register.START, 0x1234),
    ]
    await heard(host)


@cocotb.test()
async def bad_streams(dut: Any) -> None:
    write = (Command.WRITE, 2, at(Space.SCRATCH, 0), bytes(range(8)))
    for name, damage, requests in (
        ("head", 2, [*GOOD, END]),
        ("second head", 12 + 9, [*GOOD, END]),
        ("words", 24 + 12 + 3, [*GOOD, write, END]),
        ("their checksum", 24 + 12 + 8, [*GOOD, write, END]),
        ("version", None, [set_to(Register.IDENT, IDENT_VALUE + 1), END]),
        ("configuration", None, [GOOD[0], set_to(Register.CONFIG, CONFIG.fingerprint ^ 1), END]),
        ("register", None, [*GOOD, set_to(5, 1), END]),
        ("address", None, [*GOOD, (Command.WRITE, 1, at(Space.SCRATCH, 4096), bytes(4)), END]),
        ("space", None, [*GOOD, (Command.WRITE, 1, at(REGISTER_SPACE, 0), bytes(4)), END]),
    ):
        host, state = await boot(dut, name, damage=damage, requests=requests)
        assert state == Boot.FAILED, name
        assert not any(access[1] == Register.CONTROL for access in host.port.accesses)
        if name in ("head", "register"):
            await heard(host)
