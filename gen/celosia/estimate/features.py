# SPDX-License-Identifier: BSD-2-Clause
"""What the size and the speed of an accelerator are linear in."""

from __future__ import annotations

import math

from celosia_hw.config import AcceleratorConfig

#: Bits of a sum of a few products of int8 numbers.
_SUM_BITS = 18

#: The features of logic by family, in the order of importance. On iCE40 all words have four bytes.
LOGIC = {
    "ice40": ("top", "requantizer", "sums", "chains", "fabric_products"),
    "ecp5": ("top", "sums", "requantizer", "chains", "words", "pairs"),
}
#: Those of the clock's period.
CLOCK = {"ice40": ("top",), "ecp5": ("top", "array")}


def features(config: AcceleratorConfig) -> dict[str, float]:
    """All features of a configuration, by name.

    * ``top``: 1, for what every accelerator has, and the host link around it.
    * ``sums``: bits of the adder trees and of the accumulators behind them.
    * ``chains``: bits of the depthwise accumulators.
    * ``requantizer``: bits of the operands of the requantizer's multipliers.
    * ``words``: two-way multiplexers that bring bytes of a scratchpad word into place.
    * ``fabric_products``: products that LUTs make.
    * ``pairs``: multipliers whose two products LUTs take apart.
    * ``array``: how often the array's multipliers can be halved.
    """
    rows, lanes = config.output_channels, config.input_channels
    products = config.macs_per_cycle
    word = config.word_bytes
    return {
        "top": 1,
        "sums": rows * ((lanes - 1) * _SUM_BITS + config.accumulator_bits),
        "chains": config.chain_rows * lanes * config.chain_bits,
        "requantizer": config.requantize_lanes * (config.accumulator_bits + config.multiplier_bits),
        "words": 8 * word * math.log2(word),
        "fabric_products": products if config.multipliers == "fabric" else 0,
        "pairs": products / 2 if config.multipliers == "mult18_pair" else 0,
        "array": math.log2(products),
    }
