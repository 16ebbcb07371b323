# SPDX-License-Identifier: BSD-2-Clause
"""What the size and the speed of an accelerator are linear in."""

from __future__ import annotations

import math

from celosia_hw.config import AcceleratorConfig

#: Bits of a sum of a few products of int8 numbers.
_SUM_BITS = 18

#: The features of logic by family, in the order of importance. On iCE40 all words have four bytes.
LOGIC = {
    "ice40": ("top", "sums", "requantizer", "chains", "fabric_products"),
    "ecp5": ("top", "sums", "requantizer", "chains", "words", "pairs"),
}
#: Those of the clock's period.
CLOCK = {"ice40": ("top",), "ecp5": ("top", "array")}


def features(config: AcceleratorConfig) -> dict[str, float]:
    """All features of a configuration, by name.

    * ``top``: 1, for what every accelerator has, and the host link around it.
    * ``sums``: bits of the adder trees and of the accumulators behind them.
    * ``chains``: bits of the depthwise accumulators.
    * ``requantizer``: bits of the sums in the requantizer's products.
    * ``words``: two-way multiplexers that bring bytes of a scratchpad word into place.
    * ``fabric_products``: products that LUTs make.
    * ``pairs``: multipliers whose two products LUTs take apart.
    * ``array``: how often the array's multipliers can be halved.
    """
    rows, lanes = config.output_channels, config.input_channels
    products = config.macs_per_cycle
    a, b = config.accumulator_bits, config.multiplier_bits
    # With multipliers only a small product is made of rows, and four products are summed.
    scale_sums = (a - 17) * (b - 16) + 3 * (a + b) if config.free_running else (a + 1) * b
    word = config.word_bytes
    return {
        "top": 1,
        "sums": rows * ((lanes - 1) * _SUM_BITS + config.accumulator_bits),
        "chains": config.chain_rows * lanes * config.chain_bits,
        "requantizer": config.requantize_lanes * scale_sums,
        "words": 8 * word * math.log2(word),
        "fabric_products": products if config.multipliers == "fabric" else 0,
        "pairs": products / 2 if config.multipliers == "mult18_pair" else 0,
        "array": math.log2(products),
    }
