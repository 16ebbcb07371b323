# SPDX-License-Identifier: BSD-2-Clause
"""Which primitives a platform has."""

from __future__ import annotations

import pytest
from amaranth.vendor import LatticePlatform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_85FPlatform
from amaranth_boards.ulx3s import ULX3S_12F_Platform

from celosia_hw.primitives import FAMILIES, Technology, family


class MachXO2(LatticePlatform):
    """Of a family that is known to Amaranth, but not here."""

    device, package, speed, grade = "LCMXO2-7000", "TG144", "6", "C"
    resources, connectors = (), ()


def test_platforms() -> None:
    assert family(ICEBreakerPlatform()) == "ice40"
    assert family(ULX3S_12F_Platform()) == "ecp5"
    assert family(OrangeCrabR0_2_85FPlatform()) == "ecp5"


def test_others_have_none() -> None:
    assert family(None) is None
    assert family(MachXO2()) is None
    assert family("ice40") is None


@pytest.mark.parametrize("name", FAMILIES)
def test_technology(name: str) -> None:
    assert family(Technology(name)) == name


def test_unknown_technology() -> None:
    with pytest.raises(ValueError, match="family must be one of .*, not 'nexus'"):
        Technology("nexus")
