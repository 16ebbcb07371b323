# SPDX-License-Identifier: BSD-2-Clause
"""The requantizer's formulas of docs/architecture.md in Python's integers, and inputs to try it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from celosia_hw.config import SHIFT_BITS, AcceleratorConfig

#: Largest value of a shift field.
_LARGEST_SHIFT = (1 << SHIFT_BITS) - 1


def rounded_shift(value: int, shift: int) -> int:
    """``value / 2^shift`` rounded to nearest, halves up."""
    return (value + (1 << shift - 1)) >> shift


def clamped(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


@dataclass(frozen=True)
class Entry:
    """An entry of the parameter memory."""

    bias: int
    multiplier: int
    shift: int
    tie: int

    def first_pass(
        self, accumulator: int, fields: dict[str, int], config: AcceleratorConfig
    ) -> int:
        """The int8 result; ``fields`` of the instruction."""
        biased = accumulator + self.bias
        tie = self.tie << config.multiplier_bits - 1
        scaled = biased * self.multiplier + (tie if biased >= 0 else -tie)
        y = rounded_shift(scaled, config.least_shift + self.shift) + fields["zero_point"]
        if fields.get("second_pass"):
            return clamped(y, -128, 127)
        return clamped(y, fields["low"], fields["high"])


def second_pass(
    y: int, residual: int, tables: tuple[list[int], list[int]], fields: dict[str, int]
) -> int:
    """The int8 result of a first pass's ``y`` and the int8 ``residual``."""
    first, second = tables
    z = rounded_shift(first[y + 128] + second[residual + 128], fields["shift2"])
    return clamped(z, fields["low"], fields["high"])


def random_case(rng: random.Random, config: AcceleratorConfig) -> tuple[int, Entry]:
    """An accumulator and an entry: typical, exactly half a step, near zero, or of the extremes."""
    bits = config.multiplier_bits
    limit = 1 << config.accumulator_bits - 1
    top = (1 << bits) - 1
    kind = rng.randrange(5)
    multiplier = rng.choice((top, rng.randint(top // 2, top), 1 << rng.randrange(bits)))
    biased = rng.randrange(-limit, limit)
    shift = rng.randint(0, _LARGEST_SHIFT)
    if kind == 0:
        # Results of a few hundred steps.
        size = (abs(biased) * multiplier).bit_length()
        shift = size - rng.randint(6, 10) - config.least_shift
    elif kind == 1:
        # Halves: an odd number times 2^(shift - 1).
        zeros = rng.randrange(bits)
        multiplier = 1 << zeros
        step = config.least_shift + shift - 1 - zeros
        odd = 2 * rng.randint(-150, 150) + 1
        biased = clamped(odd << step if step >= 0 else odd, -limit, limit - 1)
    elif kind == 2:
        biased = rng.randint(-2, 1)
    elif kind == 3:
        biased = rng.choice((-limit, limit - 1))
        shift = rng.choice((0, _LARGEST_SHIFT, shift))
    else:
        multiplier = rng.choice((0, 1, top))
        shift = rng.choice((0, shift, config.accumulator_bits - 1))
    shift = clamped(shift, 0, _LARGEST_SHIFT)
    # Any split of the sum into accumulator and bias that both fit.
    bias = rng.choice((0, rng.randrange(-limit, limit)))
    if not -limit <= biased - bias < limit:
        bias = 0
    return biased - bias, Entry(bias, multiplier, shift, rng.randrange(2))


def random_clamps(rng: random.Random) -> dict[str, int]:
    """A zero point and a clamp."""
    zero_point = rng.choice((-128, 127, 0, rng.randint(-128, 127)))
    ends = sorted((rng.randint(-128, 127), rng.randint(-128, 127)))
    low, high = rng.choice(((-128, 127), tuple(ends)))
    return {"zero_point": zero_point, "low": low, "high": high}


def random_tables(rng: random.Random) -> tuple[list[int], list[int]]:
    """T1 and T2: random 32-bit numbers with the extremes among them."""
    extremes = (-(1 << 31), (1 << 31) - 1, 0, -1)
    magnitude = rng.choice((31, 20, 12))
    tables = []
    for _ in range(2):
        table = [rng.randrange(-(1 << magnitude), 1 << magnitude) for _ in range(256)]
        for value in extremes:
            table[rng.randrange(256)] = value
        tables.append(table)
    return tables[0], tables[1]


def random_second_pass(rng: random.Random, tables: tuple[list[int], list[int]]) -> dict[str, int]:
    """Fields of a second pass, and whether it adds a residual."""
    size = max(abs(value) for value in sorted(tables[0])[20:-20]).bit_length()
    shift = rng.choice((1, 32, rng.randint(1, 32), max(1, size - 7), max(1, size - 9)))
    return {"second_pass": 1, "shift2": shift, "residual": rng.randrange(2)}
