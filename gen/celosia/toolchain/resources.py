# SPDX-License-Identifier: BSD-2-Clause
"""What a design takes of its device."""

from __future__ import annotations

from .netlist import RESOURCES, Netlist
from .timing import Used

#: nextpnr's names of the resources that are reported, by family. Its logic cells are LUTs, or what
#: takes the place of one: a flip-flop or carry cell that found no LUT to share a place with.
KINDS = {
    "ice40": {
        "lut": "ICESTORM_LC",
        "ff": "ICESTORM_LC",
        "bram": "ICESTORM_RAM",
        "spram": "ICESTORM_SPRAM",
        "dsp": "ICESTORM_DSP",
        "logic_cells": "ICESTORM_LC",
    },
    "ecp5": {
        "lut": "TRELLIS_COMB",
        "ff": "TRELLIS_FF",
        "bram": "DP16KD",
        "dsp": "MULT18X18D",
        "logic_cells": "TRELLIS_COMB",
    },
}

#: What the vendor calls them, for messages.
TITLES = {
    "ICESTORM_LC": "logic cells",
    "ICESTORM_RAM": "block RAMs (EBR)",
    "ICESTORM_SPRAM": "SPRAMs",
    "ICESTORM_DSP": "multipliers (SB_MAC16)",
    "TRELLIS_COMB": "LUTs",
    "TRELLIS_FF": "flip-flops",
    "DP16KD": "block RAMs (DP16KD)",
    "MULT18X18D": "multipliers (MULT18X18D)",
}


def resource_usage(family: str, netlist: Netlist, utilization: dict[str, Used]) -> dict[str, Used]:
    """What is used and available of each resource.

    Args:
        family: ``ice40`` or ``ecp5``.
        netlist: counts what is used, before packing, so that the blocks add up to it.
        utilization: nextpnr's count, after packing: what is available, and the logic cells.

    Returns:
        ``lut``, ``ff``, ``bram``, ``spram`` and ``dsp`` as the netlist has them, and
        ``logic_cells`` as nextpnr packed them.
    """
    kinds = KINDS[family]
    none = Used(0, 0)
    totals = netlist.totals()
    usage = {}
    for resource in RESOURCES:
        packed = utilization.get(kinds.get(resource, ""), none)
        usage[resource] = Used(totals[resource], packed.available)
    usage["logic_cells"] = utilization.get(kinds["logic_cells"], none)
    return usage


def resource_of(family: str, kind: str) -> str | None:
    """The resource that nextpnr's ``kind`` is about; None for one that is not reported."""
    return next((name for name, known in KINDS[family].items() if known == kind), None)
