# SPDX-License-Identifier: BSD-2-Clause
"""The cocotb bench of a virtual board: the pins of the link, and this machine's side of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb

from ..flash import W25Q128JV
from ..flash.pins import FlashPins, connect_flash
from ..rtl.host import PERIOD_NS, idle_cycles
from ..rtl.serial_host import SerialHost
from ..rtl.spi_host import SpiHost
from .ports import PseudoTerminal, SpiSocket
from .settings import BIT_CYCLES, SPI_CYCLES, Settings

#: Cycles that are simulated between two looks at the machine's side, and after its last byte until
#: the simulation rests; an answer begins much sooner.
_STEP = 2000
_LINGER = 4000


class Board:
    """What both links have in common."""

    def __init__(self, dut: Any, work: Path) -> None:
        self.dut = dut
        self.work = work
        self.owner = int(os.environ["CELOSIA_BOARD_OWNER"])

    @property
    def stopped(self) -> bool:
        """Whether the board is to end: it is told to, or nobody is left who could tell."""
        return (self.work / "stop").exists() or not _is_running(self.owner)

    @property
    def works(self) -> bool:
        """Whether it boots or runs."""
        return not int(self.dut.ready.value) and not int(self.dut.failed.value)

    async def boot(self) -> None:
        """Waits until the host can be heard."""
        while self.works and not self.stopped:
            await idle_cycles(self.dut, _STEP)


@cocotb.test()
async def serve(dut: Any) -> None:
    work = Path(os.environ["CELOSIA_BOARD"])
    settings = Settings.load(work)
    board = Board(dut, work)
    if settings.flash:
        chip = W25Q128JV((work / "flash.bin").read_bytes(), power_down=True)
        pins = FlashPins(chip, period_ns=PERIOD_NS)
        cocotb.start_soon(connect_flash(dut, "flash", pins))
    if settings.link == "uart":
        await _serve_uart(board, SerialHost(dut, BIT_CYCLES))
    else:
        await _serve_spi(board, SpiHost(dut, SPI_CYCLES))


async def _serve_uart(board: Board, host: SerialHost) -> None:
    await host.reset()
    await board.boot()
    with PseudoTerminal(board.work) as terminal:
        quiet = 0
        while not board.stopped:
            # While nothing happens here, nothing is simulated.
            rests = quiet > _LINGER and not board.works
            if data := terminal.read(wait=rests):
                await host.send(data)
                quiet = 0
            elif not rests:
                await idle_cycles(board.dut, _STEP)
                quiet += _STEP
            if answer := host.received():
                terminal.write(answer)
                quiet = 0


async def _serve_spi(board: Board, host: SpiHost) -> None:
    await host.reset()
    await board.boot()
    with SpiSocket(board.work) as socket:
        while not board.stopped:
            works = board.works
            if data := socket.read(wait=not works):
                socket.write(await host.transfer(data))
            elif works:
                await idle_cycles(board.dut, _STEP)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True
