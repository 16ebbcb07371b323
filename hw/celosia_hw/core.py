# SPDX-License-Identifier: BSD-2-Clause
"""The accelerator with all that is around it on a board, but for pins and clock."""

from __future__ import annotations

from enum import Enum
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .config import AcceleratorConfig
from .flash.reader import FlashReader, FlashSignature
from .flash.source import FlashSource
from .gateware.accelerator import Accelerator
from .gateware.interfaces import ExternalSignature
from .isa import Boot
from .link.spi import SpiLink
from .link.uart import UartLink
from .link.wishbone import WishboneLink, WishboneSignature


class LinkKind(Enum):
    """How a host reaches an accelerator on a board."""

    UART = "uart"
    SPI = "spi"


#: Ports of a link's front end that lead to pins.
LINK_PINS = {
    LinkKind.UART: ("rx", "tx"),
    LinkKind.SPI: ("sck", "cs_n", "copi", "cipo", "cipo_enable"),
}


class Core(wiring.Component):
    """The accelerator behind a link, in one clock domain, without anything of a board.

    The pins of the link are those of ``UartLink``, with ``divisor`` cycles a bit, or of
    ``SpiLink``. With a ``flash`` reader, whose pins are ``flash``, it boots from the data at
    ``flash_base`` and streams weights from there; without one a program that asks for weights
    outside of the chip waits until its watchdog ends it.

    ``ready`` is high while nothing runs and it does not boot, ``busy`` during a run, ``failed``
    from an error to the next start.
    """

    def __init__(
        self,
        config: AcceleratorConfig,
        *,
        link: LinkKind = LinkKind.UART,
        divisor: int = 0,
        flash: FlashReader | None = None,
        flash_base: int = 0,
    ) -> None:
        self.config = config
        self.divisor = divisor
        self.flash_reader = flash
        self.flash_base = flash_base
        boots = flash is not None
        if link is LinkKind.UART:
            self._link: Any = UartLink(config, divisor=divisor, boots=boots)
        else:
            self._link = SpiLink(config, boots=boots)
        members = {name: self._link.signature.members[name] for name in LINK_PINS[link]}
        if boots:
            members["flash"] = Out(FlashSignature())
        super().__init__({**members, "ready": Out(1), "busy": Out(1), "failed": Out(1)})
        self._pins = LINK_PINS[link]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = accelerator = Accelerator(self.config)
        m.submodules.link = link = self._link
        connect(m, link.control, accelerator.control)
        for name in self._pins:
            ours, theirs = getattr(self, name), getattr(link, name)
            if self.signature.members[name].flow is In:
                m.d.comb += theirs.eq(ours)
            else:
                m.d.comb += ours.eq(theirs)
        m.d.comb += [
            link.busy.eq(accelerator.busy),
            accelerator.boot.eq(link.boot),
            self.busy.eq(accelerator.busy),
            self.failed.eq(accelerator.failed),
            self.ready.eq(~self.busy & ~self.failed & (link.boot != Boot.BUSY)),
        ]
        if self.flash_reader is None:
            m.d.comb += [
                accelerator.external.request.ready.eq(0),
                accelerator.external.units.valid.eq(0),
                accelerator.external.units.payload.eq(0),
            ]
            return m
        m.submodules.flash = reader = self.flash_reader
        m.submodules.source = source = FlashSource(base=self.flash_base)
        connect(m, accelerator.external, source.external)
        connect(m, source.request, reader.request)
        connect(m, reader.units, source.units)
        connect(m, source.bits, link.i_boot)
        connect(m, reader.pins, flipped(self.flash))
        m.d.comb += [
            source.boot.eq(link.boot),
            source.unit_end.eq(link.boot_word_end),
            reader.stop.eq(source.stop),
            reader.shift.eq(source.shift),
        ]
        return m


class WishboneCore(wiring.Component):
    """The accelerator as a peripheral of a system on chip: ``bus`` and ``irq`` are those of
    ``WishboneLink``, ``external`` is the accelerator's port to weights outside."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        super().__init__(
            {
                "bus": In(WishboneSignature()),
                "irq": Out(1),
                "external": Out(ExternalSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = accelerator = Accelerator(self.config)
        m.submodules.link = link = WishboneLink()
        connect(m, link.control, accelerator.control)
        connect(m, flipped(self.bus), link.bus)
        connect(m, accelerator.external, flipped(self.external))
        m.d.comb += [link.busy.eq(accelerator.busy), self.irq.eq(link.irq)]
        return m
