# SPDX-License-Identifier: BSD-2-Clause
"""Where the reference kernels' fixed-point rescaling is defined.

``QuantizeMultiplier`` splits a real factor into a 31-bit multiplier and a power of two; a factor
of 1 or more shifts the value to the left in 32 bits before it is multiplied
(``MultiplyByQuantizedMultiplier``). Where that shift overflows, the result of the reference is
undefined, and there is nothing to be exact to.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.importer.node import Node

_INT32_MAX = (1 << 31) - 1
#: ``1 << shift`` itself must be an int32.
_MAX_SHIFT = 30
RESCALE_REMEDY = "quantize the model with a representative data set, so that scales suit the values"


def left_shifts(factors: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Bits that values are shifted to the left by for each factor, 0 for factors below 1."""
    fractions, exponents = np.frexp(factors)
    # A fraction that rounds up to 2^31 is halved, and the exponent grows.
    carries = np.rint(fractions * 2.0**31) >= 2.0**31
    shifts: npt.NDArray[np.int64] = np.maximum(exponents + carries, 0).astype(np.int64)
    return shifts


def report_overflow(
    node: Node,
    factors: npt.NDArray[np.float64],
    magnitudes: npt.NDArray[np.int64],
    tensor: int,
) -> None:
    """Reports if a value of such a magnitude cannot be rescaled by its factor in 32 bits.

    ``factors`` are finite and not negative; ``tensor`` is the result's identifier.
    """
    shifts = left_shifts(factors)
    wide = shifts > _MAX_SHIFT
    overflows = wide | (magnitudes > (_INT32_MAX >> np.minimum(shifts, _MAX_SHIFT)))
    if overflows.any():
        worst = float(np.max(factors[overflows]))
        node.report(
            f"rescaling by {worst:g} overflows the 32 bits of the reference", RESCALE_REMEDY, tensor
        )


def report_accumulators(
    node: Node,
    low: npt.NDArray[np.int64],
    high: npt.NDArray[np.int64],
    tensor: int,
) -> None:
    """Reports if sums that range over ``low``..``high`` leave the reference's 32 bits."""
    if int(low.min()) < -_INT32_MAX or int(high.max()) > _INT32_MAX:
        node.report(
            "a sum of products can overflow the 32 bits of the reference",
            "use fewer input channels or a smaller kernel",
            tensor,
        )
