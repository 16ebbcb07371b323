# SPDX-License-Identifier: BSD-2-Clause
"""A component as it is on an FPGA, beside its behavioural twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Elaboratable, Fragment, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from celosia_hw.primitives import Technology

#: What the outputs of the twin are called: the name of the FPGA's output, and this.
TWIN = "_twin"


class SideBySide(wiring.Component):
    """Both get the component's inputs; output ``name`` is the FPGA's, ``name + TWIN`` the twin's.

    ``mapped`` and ``twin`` are two components of the same kind, whose ports are plain signals;
    ``family`` is one of ``celosia_hw.primitives.FAMILIES``.
    """

    def __init__(self, mapped: wiring.Component, twin: wiring.Component, *, family: str) -> None:
        self.mapped = mapped
        self.twin = twin
        self.family = family
        ports: dict[str, Any] = {}
        for path, member, _ in mapped.signature.flatten(mapped):
            (name,) = path
            if member.flow is In:
                ports[name] = In(member.shape)
            else:
                ports[name] = Out(member.shape)
                ports[name + TWIN] = Out(member.shape)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.mapped = _Mapped(self.mapped, self.family)
        m.submodules.twin = self.twin
        for path, member, _ in self.mapped.signature.flatten(self.mapped):
            (name,) = path
            for component, suffix in ((self.mapped, ""), (self.twin, TWIN)):
                inner = getattr(component, name)
                if member.flow is In:
                    m.d.comb += inner.eq(getattr(self, name))
                else:
                    m.d.comb += getattr(self, name + suffix).eq(inner)
        return m


class _Mapped(Elaboratable):
    """Elaborates a component for a family's FPGAs, whatever the rest is elaborated for."""

    def __init__(self, component: wiring.Component, family: str) -> None:
        self.component = component
        self.family = family

    def elaborate(self, platform: object) -> Fragment:
        return Fragment.get(self.component, Technology(self.family))


class Group(wiring.Component):
    """Components that have nothing to do with each other, whose ports are plain signals, in one
    simulation. The port ``p`` of the component ``c`` is ``c__p``."""

    def __init__(self, components: Mapping[str, wiring.Component]) -> None:
        self.components = components
        ports: dict[str, Any] = {}
        for key, component in components.items():
            for path, member, _ in component.signature.flatten(component):
                (name,) = path
                ports[f"{key}__{name}"] = member.flow(member.shape)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for key, component in self.components.items():
            m.submodules[key] = component
            for path, member, _ in component.signature.flatten(component):
                (name,) = path
                inner, outer = getattr(component, name), getattr(self, f"{key}__{name}")
                m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m
