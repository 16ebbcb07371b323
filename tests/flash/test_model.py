# SPDX-License-Identifier: BSD-2-Clause
"""The model of a flash memory: its answers, and that it refuses what its datasheet does."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from celosia_sim.flash import SIZE, W25Q128JV, FlashError, Limits

CONTENT = random.Random("flash").randbytes(5000)
SINGLE = 0b1101  # lines that are driven while one carries data: not the answer's
RESISTORS = 0xF


class Driver:
    """Sends commands with good timing, unless it is told otherwise."""

    def __init__(self, chip: W25Q128JV, *, period: float = 20.0) -> None:
        self.chip = chip
        self.period = period
        self.time = 1e6

    def wait(self, time: float) -> None:
        self.time += time

    def begin(self, wait: float = 50) -> None:
        self.wait(wait)
        self.chip.select(self.time)

    def end(self, wait: float = 5) -> None:
        self.wait(wait)
        self.chip.deselect(self.time)

    def clock(self, lines: int = RESISTORS, driven: int = 0) -> tuple[int, int]:
        """One clock; returns what the memory drove at its end, and which lines."""
        self.wait(self.period / 2)
        self.chip.rise(self.time, lines, driven)
        self.wait(self.period / 2)
        drove = self.chip.output, self.chip.outputs
        self.chip.fall(self.time)
        return drove

    def send(self, *values: int, bits: int = 8) -> None:
        for value in values:
            for bit in reversed(range(bits)):
                self.clock(0b1100 | value >> bit & 1, SINGLE)

    def send_quad(self, *values: int) -> None:
        for value in values:
            self.clock(value >> 4, 0xF)
            self.clock(value & 0xF, 0xF)

    def dummies(self, count: int) -> None:
        for _ in range(count):
            self.clock()

    def receive(self, count: int) -> bytes:
        result = bytearray()
        for _ in range(count):
            value = 0
            for _ in range(8):
                output, outputs = self.clock(driven=0b1101, lines=0b1101)
                assert outputs == 0b0010
                value = value << 1 | output >> 1
            result.append(value)
        return bytes(result)

    def receive_quad(self, count: int) -> bytes:
        nibbles = []
        for _ in range(2 * count):
            output, outputs = self.clock()
            assert outputs == 0b1111
            nibbles.append(output)
        return bytes(high << 4 | low for high, low in zip(nibbles[::2], nibbles[1::2], strict=True))

    def command(self, *values: int, wait: float = 50) -> None:
        self.begin(wait)
        self.send(*values)
        self.end()

    def enable_quad(self) -> None:
        self.command(0x50)
        self.command(0x31, 0x02)

    def address(self, address: int) -> bytes:
        return address.to_bytes(3, "big")

    def read_status(self, command: int) -> int:
        self.begin()
        self.send(command)
        result = self.receive(1)
        self.end()
        return result[0]

    def quad_io(self, address: int, mode: int = 0xFF) -> None:
        self.begin()
        self.send(0xEB)
        self.send_quad(*self.address(address), mode)
        self.dummies(4)


@pytest.fixture
def driver() -> Driver:
    return Driver(W25Q128JV(CONTENT))


@pytest.mark.parametrize("address", [0, 1, 255, 3000])
def test_reads_on_one_line(driver: Driver, address: int) -> None:
    for command, dummies in ((0x03, 0), (0x0B, 8)):
        driver.begin()
        driver.send(command, *driver.address(address))
        driver.dummies(dummies)
        assert driver.receive(20) == CONTENT[address : address + 20]
        driver.end()


@pytest.mark.parametrize("address", [0, 4, 256, 3000])
def test_reads_on_four_lines(driver: Driver, address: int) -> None:
    driver.enable_quad()
    driver.quad_io(address)
    assert driver.receive_quad(20) == CONTENT[address : address + 20]
    driver.end()
    driver.begin()
    driver.send(0x6B, *driver.address(address))
    driver.dummies(8)
    assert driver.receive_quad(20) == CONTENT[address : address + 20]
    driver.end()


def test_erased_bytes_and_the_end(driver: Driver) -> None:
    driver.enable_quad()
    driver.quad_io(len(CONTENT) - 2)
    assert driver.receive_quad(5) == CONTENT[-2:] + b"\xff" * 3
    driver.end()
    driver.quad_io(SIZE - 3)
    assert driver.receive_quad(7) == b"\xff" * 3 + CONTENT[:4]
    driver.end()


def test_identity_and_status(driver: Driver) -> None:
    driver.begin()
    driver.send(0x9F)
    assert driver.receive(6) == bytes((0xEF, 0x40, 0x18)) * 2
    driver.end()
    assert driver.read_status(0x35) == 0
    driver.enable_quad()
    assert driver.read_status(0x35) == 2
    driver.command(0x06)
    assert driver.read_status(0x05) == 2
    driver.command(0x04)
    assert driver.read_status(0x05) == 0
    driver.command(0x50)
    driver.command(0x01, 0x1C, 0x00)
    assert (driver.read_status(0x05), driver.read_status(0x35)) == (0x1C, 0)
    with pytest.raises(ValueError, match="content must have at most 16777216 bytes"):
        W25Q128JV(bytes(SIZE + 1))


def test_continuous_read(driver: Driver) -> None:
    driver.enable_quad()
    driver.quad_io(100, mode=0xA0)
    assert driver.receive_quad(4) == CONTENT[100:104]
    driver.end()
    for address, mode in ((8, 0xA5), (2000, 0xFF)):
        driver.begin()
        driver.send_quad(*driver.address(address), mode)
        driver.dummies(4)
        assert driver.receive_quad(4) == CONTENT[address : address + 4]
        driver.end()
    # The last one ended it.
    assert driver.read_status(0x35) == 2


def test_mode_reset_ends_a_continuous_read(driver: Driver) -> None:
    driver.enable_quad()
    driver.quad_io(0, mode=0xA0)
    driver.end()
    assert driver.chip.continuous
    driver.command(0xFF)
    assert not driver.chip.continuous
    # Without that mode it does nothing.
    driver.command(0xFF)
    assert driver.read_status(0x35) == 2


def test_power_down(driver: Driver) -> None:
    driver.command(0xB9)
    driver.wait(3000)
    log = list(driver.chip.log)
    for command in (0x9F, 0x66, 0x99, 0xEB, 0x77):
        driver.begin()
        driver.send(command)
        for _ in range(32):
            assert driver.clock() == (0, 0)
        driver.end()
    assert driver.chip.log == log
    driver.command(0xAB)
    driver.wait(3000)
    assert driver.read_status(0x05) == 0
    # The same, with the device's number.
    driver.command(0xB9)
    driver.wait(3000)
    driver.begin()
    driver.send(0xAB)
    driver.dummies(24)
    assert driver.receive(2) == b"\x17\x17"
    driver.end()
    driver.wait(1800)
    assert driver.read_status(0x05) == 0


def test_reset_forgets_what_is_volatile(driver: Driver) -> None:
    driver.enable_quad()
    driver.command(0x66)
    driver.command(0x99)
    driver.wait(30_000)
    assert driver.read_status(0x35) == 0
    # A permanent write takes its time, stays, and keeps the memory busy.
    driver.command(0x06)
    driver.command(0x31, 0x02)
    assert driver.read_status(0x05) == 1
    driver.wait(15e6)
    assert driver.read_status(0x05) == 0
    driver.command(0x66)
    driver.command(0x99)
    driver.wait(30_000)
    assert driver.read_status(0x35) == 2


def test_commands_that_are_cut_short_do_nothing(driver: Driver) -> None:
    driver.command(0x50)
    for bits in range(1, 8):
        driver.begin()
        driver.send(0x31)
        driver.send(0, bits=bits)
        driver.end()
    assert driver.chip.status == [0, 0]
    log = list(driver.chip.log)
    for bits in range(1, 8):
        driver.begin()
        driver.send(0x06 >> 8 - bits, bits=bits)
        driver.end()
    assert driver.chip.log == log


def _wrong(driver: Driver, name: str) -> None:
    chip = driver.chip
    if name == "dummies":
        driver.enable_quad()
        driver.begin()
        driver.send(0xEB)
        driver.send_quad(0, 0, 0, 0xFF)
        driver.dummies(3)
        driver.clock(0, 0b0001)
    elif name == "contention":
        driver.enable_quad()
        driver.quad_io(0)
        driver.clock(0, 0b0001)
    elif name == "contention single":
        driver.begin()
        driver.send(0x03, 0, 0, 0)
        driver.clock(0, 0b0010)
    elif name == "quad":
        driver.quad_io(0)
    elif name == "quad output":
        driver.command(0x6B)
    elif name == "reset time":
        driver.command(0x66)
        driver.command(0x99)
        driver.command(0xFF, wait=29_900)
    elif name == "release time":
        driver.command(0xAB)
        driver.command(0xFF, wait=2_900)
    elif name == "power-down time":
        driver.command(0xB9)
        driver.command(0xAB, wait=2_900)
    elif name == "reset alone":
        driver.command(0x99)
    elif name == "reset later":
        driver.command(0x66)
        driver.command(0xFF)
        driver.command(0x99)
    elif name == "write alone":
        driver.command(0x31, 0x02)
    elif name == "write later":
        driver.command(0x50)
        driver.command(0xFF)
        driver.command(0x31, 0x02)
    elif name == "write busy":
        driver.command(0x06)
        driver.command(0x31, 0x02)
        driver.command(0x66)
    elif name == "unknown":
        driver.command(0x02)
    elif name == "too long":
        driver.command(0x66, 0x00)
    elif name == "fast":
        driver.period = 9.5
        driver.command(0x9F)
    elif name == "fast 03":
        driver.period = 19
        driver.begin()
        driver.send(0x03, 0)
    elif name == "high":
        driver.begin()
        chip.rise(driver.time + 10, 1, 1)
        chip.fall(driver.time + 13)
    elif name == "low":
        driver.begin()
        chip.rise(driver.time + 10, 1, 1)
        chip.fall(driver.time + 20)
        chip.rise(driver.time + 23, 1, 1)
    elif name == "deselected":
        driver.begin()
        driver.send(0x03, 0, 0, 0)
        driver.end()
        driver.begin(wait=9)
    elif name == "deselected long":
        driver.command(0x50)
        driver.begin(wait=49)
    elif name == "selected":
        driver.begin()
        chip.rise(driver.time + 2, 1, 1)
    elif name == "hold":
        driver.begin()
        chip.rise(driver.time + 10, 1, 1)
        chip.deselect(driver.time + 12)
    elif name == "floating":
        driver.begin()
        driver.clock()
    elif name == "floating address":
        driver.enable_quad()
        driver.begin()
        driver.send(0xEB)
        for _ in range(6):
            driver.clock(0, 0b0111)
        driver.send_quad(0xFF)
        driver.dummies(4)
    elif name == "floating mode":
        driver.enable_quad()
        driver.begin()
        driver.send(0xEB)
        driver.send_quad(0, 0, 0)
        driver.clock(0, 0b1101)
    elif name == "held":
        driver.begin()
        driver.clock(0b0001, 0b1001)
    elif name == "number cut short":
        driver.begin()
        driver.send(0xAB)
        driver.dummies(7)
        driver.end()
    elif name == "selected twice":
        driver.begin()
        driver.begin()
    elif name == "deselected twice":
        chip.deselect(driver.time)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dummies", "still driven at the last clock before"),
        ("contention", "both sides drive lines 0b0001"),
        ("contention single", "both sides drive lines 0b0010"),
        ("quad", "command EBh while QE is 0"),
        ("quad output", "command 6Bh while QE is 0"),
        ("reset time", "selected during its reset, 100 ns too early"),
        ("release time", "selected during its release, 100 ns too early"),
        ("power-down time", "selected during its power-down, 100 ns too early"),
        ("reset alone", "99h not right behind 66h"),
        ("reset later", "99h not right behind 66h"),
        ("write alone", "31h without 50h or 06h right before it"),
        ("write later", "31h without 50h or 06h right before it"),
        ("write busy", "command 66h while a register is written"),
        ("unknown", "command 02h is unknown"),
        ("too long", "a clock behind command 66h, which is complete"),
        ("fast", "the clock's period is 9.50 ns"),
        ("fast 03", "the clock's period is 19.00 ns"),
        ("high", "the clock is high for 3.00 ns only"),
        ("low", "the clock is low for 3.00 ns only"),
        ("deselected", "deselected for 9.0 ns only, not 10"),
        ("deselected long", "deselected for 49.0 ns only, not 50"),
        ("selected", "the clock rises too soon behind the selection"),
        ("hold", "deselected 2.0 ns behind the clock"),
        ("floating", "nobody drives line 0 during a command"),
        ("floating address", "nobody drove some bits of the address"),
        ("floating mode", "nobody drives mode bits M5-4"),
        ("held", "line 3 is low, which is /HOLD while QE is 0"),
        ("number cut short", "ABh with some of its dummy clocks only"),
        ("selected twice", "selected twice"),
        ("deselected twice", "deselected twice"),
    ],
)
def test_refuses(driver: Driver, name: str, message: str) -> None:
    with pytest.raises(FlashError, match=f"^flash memory, [0-9.]+ ns: .*{message}"):
        _wrong(driver, name)


@pytest.mark.parametrize(
    ("wait", "good"),
    [
        (lambda driver: driver.wait(30_000), True),
        (lambda driver: driver.wait(29_900), False),
    ],
    ids=["enough", "too short"],
)
def test_limits_are_exact(driver: Driver, wait: Callable[[Driver], None], good: bool) -> None:
    driver.command(0x66)
    driver.command(0x99)
    wait(driver)
    if good:
        driver.begin(wait=0)
    else:
        with pytest.raises(FlashError, match="its reset"):
            driver.begin(wait=0)


def test_other_limits() -> None:
    driver = Driver(W25Q128JV(CONTENT, limits=Limits(rst=1000, clock=30)))
    driver.period = 30
    driver.command(0x66)
    driver.command(0x99)
    driver.command(0xFF, wait=1000)
    driver.period = 29
    with pytest.raises(FlashError, match="the clock's period is 29.00 ns"):
        driver.command(0xFF)
