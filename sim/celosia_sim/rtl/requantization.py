# SPDX-License-Identifier: BSD-2-Clause
"""The requantizer's formulas of docs/architecture.md in Python's integers, and inputs to try it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from celosia_hw.isa import NO_TIE


def rounded_shift(value: int, shift: int, tie: int) -> int:
    """One rounding to nearest of ``value / 2^shift``, its ties or more moved by ``2^tie``."""
    offset = 0 if tie == NO_TIE else 1 << tie
    return (value + (1 << shift - 1) + (offset if value >= 0 else -offset)) >> shift


@dataclass(frozen=True)
class Entry:
    """An entry of the parameter memory."""

    bias: int
    multiplier: int
    shift: int
    tie: int

    def first_pass(self, accumulator: int, fields: dict[str, int]) -> int:
        """The int8 result; ``fields`` of the instruction."""
        scaled = (accumulator + self.bias) * self.multiplier
        y = rounded_shift(scaled, self.shift, self.tie) + fields["zero_point"]
        return min(max(y, fields["low"]), fields["high"])


def second_pass(
    y: int, residual: int, tables: tuple[list[int], list[int]], fields: dict[str, int]
) -> int:
    """The int8 result of a first pass's ``y`` and the int8 ``residual``."""
    first, second = tables
    u = first[y + 128] + (second[residual + 128] if fields["residual"] else 0)
    z = rounded_shift(u, fields["shift2"], fields["tie2"]) + fields["zero_point2"]
    return min(max(z, fields["low2"]), fields["high2"])


def random_tie(rng: random.Random, shift: int) -> int:
    return NO_TIE if shift < 2 or rng.random() < 0.4 else rng.randint(0, shift - 2)


def random_case(
    rng: random.Random, accumulator_bits: int, multiplier_bits: int
) -> tuple[int, Entry]:
    """An accumulator and an entry: typical, exactly half a step, near zero, or of the extremes."""
    limit = 1 << accumulator_bits - 1
    top = (1 << multiplier_bits) - 1
    kind = rng.randrange(5)
    multiplier = rng.choice((top, rng.randint(0, top), 1 << rng.randrange(multiplier_bits)))
    biased = rng.randrange(-limit, limit)
    if kind == 0:
        # Results of a few hundred steps.
        shift = max(1, (abs(biased) * multiplier).bit_length() - rng.randint(6, 10))
    elif kind == 1:
        # Halves: an odd number times 2^(shift - 1).
        zeros = rng.randrange(multiplier_bits)
        multiplier = 1 << zeros
        shift = rng.randint(1, min(63, zeros + accumulator_bits - 10))
        step = 1 << max(0, shift - 1 - zeros)
        biased = min(max((2 * rng.randint(-150, 150) + 1) * step, -limit), limit - 1)
    elif kind == 2:
        biased = rng.randint(-2, 1)
        shift = rng.randint(1, 63)
    elif kind == 3:
        biased = rng.choice((-limit, limit - 1))
        shift = rng.choice((1, 62, 63, rng.randint(1, 63)))
    else:
        multiplier = rng.choice((0, 1, top))
        shift = rng.choice((1, rng.randint(1, 63), multiplier_bits + accumulator_bits - 9))
    shift = min(shift, 63)
    # Any split of the sum into accumulator and bias that both fit.
    bias = rng.choice((0, rng.randrange(-limit, limit)))
    if not -limit <= biased - bias < limit:
        bias = 0
    return biased - bias, Entry(bias, multiplier, shift, random_tie(rng, shift))


def random_clamps(rng: random.Random) -> dict[str, int]:
    """Zero points and clamps of both passes."""
    fields = {}
    for suffix in ("", "2"):
        fields[f"zero_point{suffix}"] = rng.choice((-128, 127, 0, rng.randint(-128, 127)))
        ends = sorted((rng.randint(-128, 127), rng.randint(-128, 127)))
        low, high = rng.choice(((-128, 127), tuple(ends)))
        fields[f"low{suffix}"], fields[f"high{suffix}"] = low, high
    return fields


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
    """Shift and tie of a second pass, and whether it adds a residual."""
    size = max(abs(value) for value in sorted(tables[0])[20:-20]).bit_length()
    shift = rng.choice((1, 63, rng.randint(1, 63), max(1, size - 7), max(1, size - 9)))
    return {"shift2": shift, "tie2": random_tie(rng, shift), "residual": rng.randrange(2)}
