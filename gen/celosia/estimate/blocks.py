# SPDX-License-Identifier: BSD-2-Clause
"""Memory blocks and multipliers of a configuration, exactly."""

from __future__ import annotations

from celosia.compiler.blocks import (
    ebr_blocks,
    fixed_blocks,
    parameter_blocks,
    scratch_blocks,
    weight_blocks,
)
from celosia.compiler.sizing import LANE_MULTIPLIERS, MAC16_PRODUCTS, MULT18_PRODUCTS
from celosia_hw.boards import MemoryKind
from celosia_hw.config import AcceleratorConfig


def block_counts(family: str, config: AcceleratorConfig) -> dict[str, int]:
    """``bram``, ``spram`` and ``dsp`` that the accelerator takes on ``ice40`` or ``ecp5``."""
    products = config.macs_per_cycle
    if family == "ice40":
        dsp = -(-products // MAC16_PRODUCTS) if config.multipliers == "mac16" else 0
        spram = scratch_blocks(MemoryKind.SPRAM, config)
        return {"bram": ebr_blocks(config), "spram": spram, "dsp": dsp}
    kind = MemoryKind.DP16KD
    counted = (scratch_blocks, weight_blocks, parameter_blocks, fixed_blocks)
    # Products of LUTs are for where there are no multipliers: the requantizer has none either then.
    each = MULT18_PRODUCTS.get(config.multipliers)
    dsp = -(-products // each) + LANE_MULTIPLIERS * config.requantize_lanes if each else 0
    return {"bram": sum(count(kind, config) for count in counted), "spram": 0, "dsp": dsp}
