# SPDX-License-Identifier: BSD-2-Clause
"""Thin wrappers of what the silicon has besides LUTs, each with a behavioural twin.

``elaborate(platform)`` decides: for an FPGA that has the primitive, an instance of it; else a twin
in plain Amaranth with the same ports and the same behaviour in each cycle.
"""

from __future__ import annotations

from dataclasses import dataclass

#: FPGA families that the wrappers know.
FAMILIES = ("ice40", "ecp5")
#: How the device names of a family begin.
_DEVICES = {"ice40": ("ice40", "ice5"), "ecp5": ("lfe5", "lae5")}


@dataclass(frozen=True)
class Technology:
    """A family of FPGAs without a board, as ``platform``: for Verilog without pins.

    Raises:
        ValueError: the family is not one of ``FAMILIES``.
    """

    family: str

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"family must be one of {FAMILIES}, not {self.family!r}")


def family(platform: object) -> str | None:
    """The family whose primitives ``platform`` has, one of ``FAMILIES``; None: use the twins.

    ``platform`` is a ``Technology``, or one of Amaranth's platforms, which is recognized by the
    name of its device.
    """
    if isinstance(platform, Technology):
        return platform.family
    device = getattr(platform, "device", None)
    if isinstance(device, str):
        for name, starts in _DEVICES.items():
            if device.lower().startswith(starts):
                return name
    return None
