# SPDX-License-Identifier: BSD-2-Clause
"""The pins that lead to a serial flash memory, with the registers in them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In

from ..primitives import family
from .reader import FlashSignature


class FlashPinsError(ValueError):
    """The pins cannot do what is asked of them."""


class FlashPins(wiring.Component):
    """Connects a ``FlashSignature`` to ``ports``: what ``platform.request(..., dir="-")`` gives for
    a board's flash memory.

    Its signals are ``cs``, ``clk``, and ``dq`` or ``copi`` and ``cipo``, with ``wp`` and ``hold``
    if they are wired, as amaranth-boards names them. Whatever their direction and polarity are
    said to be there, lines 0 to 3 are DI, DO, /WP and /HOLD of the memory, which each of its kind
    has in that order. With one line ``wp`` and ``hold`` are driven high.

    On iCE40 a pulse of the clock is the second half of a cycle (``divider`` 1), made by a register
    for both edges, or a whole one (2). On ECP5 the clock leaves through USRMCLK, the way to the pin
    of the configuration's clock, which has no register at its end and none for both edges: there
    ``divider`` must be 2, and ``clk`` is not needed.

    Latency: ``reader.PIN_LATENCY``.

    What the memory sends appears up to 6 ns (tCLQV) behind a falling edge of the serial clock, and
    is taken a period later: so that the clock's way out, 6 ns, and the data's way in must fit into
    a period. On iCE40 UP5K the two ways are 10.0 - 0.5 ns (tCO and tSU of FPGA-DS-02008, table
    4.21), which allows 60 MHz with 1 ns for the board. What is sent changes at a falling edge, and
    is taken half a period later (``divider`` 1), or half of the memory's (2).
    """

    def __init__(self, ports: Any, *, quad: bool = True, divider: int = 1) -> None:
        self.ports = ports
        self.quad = quad
        self.divider = divider
        self._lines = _lines(ports)
        if len(self._lines) < (4 if quad else 2):
            raise FlashPinsError("the resource of the flash memory has no signals for four lines")
        super().__init__({"flash": In(FlashSignature())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kind = family(platform)
        if kind == "ecp5" and self.divider != 2:
            raise FlashPinsError("the clock of an ECP5's flash memory needs a divider of 2")
        if kind != "ecp5" and not hasattr(self.ports, "clk"):
            raise FlashPinsError("the resource of the flash memory has no signal clk")
        flash = self.flash
        m.submodules.cs = cs = io.FFBuffer("o", _plain(self.ports.cs, "o"))
        m.d.comb += cs.o.eq(flash.cs_n)

        if kind == "ecp5":
            clock = Signal()
            m.d.sync += clock.eq(flash.clock)
            m.submodules.clk = Instance("USRMCLK", i_USRMCLKI=clock, i_USRMCLKTS=Const(0))
        elif self.divider == 1:
            m.submodules.clk = both = io.DDRBuffer("o", _plain(self.ports.clk, "o"))
            m.d.comb += [both.o[0].eq(0), both.o[1].eq(flash.clock)]
        else:
            m.submodules.clk = one = io.FFBuffer("o", _plain(self.ports.clk, "o"))
            m.d.comb += one.o.eq(flash.clock)

        for number, line in enumerate(self._lines):
            output = f"dq{number}"
            if self.quad:
                m.submodules[output] = buffer = io.FFBuffer("io", _plain(line, "io"))
                m.d.comb += flash.dq.i[number].eq(buffer.i)
            elif number == 1:
                m.submodules[output] = buffer = io.FFBuffer("i", _plain(line, "i"))
                m.d.comb += flash.dq.i[number].eq(buffer.i)
                continue
            else:
                m.submodules[output] = buffer = io.FFBuffer("o", _plain(line, "o"))
            m.d.comb += [
                buffer.o.eq(flash.dq.o[number]),
                buffer.oe.eq(flash.dq.oe[number]),
            ]
        return m


def _lines(ports: Any) -> list[io.PortLike]:
    if hasattr(ports, "dq"):
        return [ports.dq[number] for number in range(len(ports.dq))]
    names = [name for name in ("copi", "cipo", "wp", "hold") if hasattr(ports, name)]
    return [getattr(ports, name) for name in names]


def _plain(port: Any, direction: str) -> io.PortLike:
    """The same pin, not inverted, and free for ``direction``."""
    return io.SingleEndedPort(port.io, direction=direction)
