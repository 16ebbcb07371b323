# SPDX-License-Identifier: BSD-2-Clause
"""Parameter entries in the binary form of the parameter memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.arithmetic.bits import bits_with_tie
from celosia.arithmetic.single_rounding import NO_TIE
from celosia.compiler.step import Entries, Step
from celosia.errors import FitError
from celosia_hw.config import SHIFT_BITS, AcceleratorConfig
from celosia_hw.isa import Opcode

Int64Array = npt.NDArray[np.int64]
#: The largest value of a shift field.
_LARGEST_SHIFT = (1 << SHIFT_BITS) - 1


def padded(entries: Entries, count: int) -> Entries:
    """``entries`` followed by entries for outputs that are not stored, up to ``count``."""
    missing = count - len(entries)

    def fill(values: np.ndarray, value: int) -> np.ndarray:
        return np.concatenate([values, np.full(missing, value, dtype=np.int64)])

    return Entries(
        fill(entries.bias, 0),
        fill(entries.multiplier, 0),
        fill(entries.shift, 1),
        fill(entries.tie, NO_TIE),
    )


def rows(step: Step, config: AcceleratorConfig) -> int:
    """Rows of the parameter memory that an instruction uses."""
    if step.uniform:
        return 1
    lanes = config.output_channels if step.opcode == Opcode.CONV else config.input_channels
    return step.groups.count * lanes // config.requantize_lanes


def pack(step: Step, config: AcceleratorConfig, layer: str) -> bytes:
    """The rows of an instruction, in the order in which they are used.

    Raises:
        FitError: a bias or a multiplier is wider than the configuration allows.
    """
    assert step.parameters is not None
    count = rows(step, config) * config.requantize_lanes
    if step.uniform:
        first = step.parameters.slice(0, 1)
        values = Entries(
            np.repeat(first.bias, count),
            np.repeat(first.multiplier, count),
            np.repeat(first.shift, count),
            np.repeat(first.tie, count),
        )
    else:
        values = padded(step.parameters, count)
    _check(values, config, layer)
    multiplier, shift, tie = normalized(values, config)
    wide = 4 * config.parameter_units
    bias_mask = (1 << config.accumulator_bits) - 1
    packed = bytearray()
    for b, m, s, t in zip(
        values.bias.tolist(), multiplier.tolist(), shift.tolist(), tie.tolist(), strict=True
    ):
        word = t << SHIFT_BITS | s
        word = word << config.multiplier_bits | m
        word = word << config.accumulator_bits | (b & bias_mask)
        packed += word.to_bytes(wide, "little")
    return bytes(packed)


def normalized(
    entries: Entries, config: AcceleratorConfig
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Multipliers, shift fields and tie fields of the hardware for the same results.

    A multiplier uses as many bits as there are, so that a tie always is the highest of them; fewer
    where the shift would be too large else, which has no tie. A scale beyond the largest becomes
    that one: both give a result beyond int8 for any accumulator but zero.
    """
    up = config.multiplier_bits - bits_with_tie(entries.multiplier, entries.tie)
    field = entries.shift + up - config.least_shift
    too_far = np.maximum(field - _LARGEST_SHIFT, 0)
    assert not np.any((too_far > 0) & (entries.tie != NO_TIE))
    multiplier = entries.multiplier << np.maximum(up - too_far, 0)
    beyond = field < 0
    multiplier = np.where(beyond, (1 << config.multiplier_bits) - 1, multiplier)
    constant = entries.multiplier == 0
    field = np.where(beyond | constant, 0, field - too_far)
    return multiplier, field, (entries.tie != NO_TIE).astype(np.int64)


def _check(values: Entries, config: AcceleratorConfig, layer: str) -> None:
    assert values.shift.min() >= 1
    multiplier_bits = values.multiplier_bits
    if multiplier_bits > config.multiplier_bits:
        raise FitError(
            f"{layer}: its requantization needs a multiplier of {multiplier_bits} bits, the "
            f"configuration has {config.multiplier_bits}; use multiplier_bits={multiplier_bits}"
        )
    half = 1 << config.accumulator_bits - 1
    if values.bias.min() < -half or values.bias.max() >= half:
        raise FitError(
            f"{layer}: a bias does not fit into the configuration's {config.accumulator_bits} "
            "bits; use a larger accumulator_bits"
        )
