# SPDX-License-Identifier: BSD-2-Clause
"""The divisor of a baud rate, and which rates are refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from celosia_hw.link.uart import BaudRateError, baud_divisor


@pytest.mark.parametrize(
    ("clock_mhz", "baud_rate", "divisor"),
    [
        (24, 1_000_000, 24),
        (12, 1_000_000, 12),
        (75, 1_000_000, 75),
        (Fraction(153, 4), 1_000_000, 38),  # 0.7 % off
        (12, 115_200, 104),  # 0.16 % off
        (6, 1_000_000, 6),
        (100, 9_600, 10_417),
    ],
)
def test_divisor(clock_mhz: float | Fraction, baud_rate: int, divisor: int) -> None:
    assert baud_divisor(clock_mhz, baud_rate) == divisor
    assert abs(Fraction(clock_mhz) * 1_000_000 / divisor / baud_rate - 1) <= Fraction(2, 100)


@pytest.mark.parametrize(
    ("clock_mhz", "baud_rate", "message"),
    [
        (10.5, 1_000_000, r"10.5 MHz cannot be divided to 1,000,000 baud: .* 11 is 4.5% off"),
        (16, 921_600, r"16 MHz cannot be divided to 921,600 baud: .* 17 is 2.1% off"),
        (5, 1_000_000, r"5 MHz is too slow for 1,000,000 baud: it must be at least 6 MHz"),
        (1, 3_000_000, r"too slow for 3,000,000 baud: it must be at least 18 MHz"),
    ],
)
def test_a_rate_that_does_not_divide(clock_mhz: float, baud_rate: int, message: str) -> None:
    with pytest.raises(BaudRateError, match=message):
        baud_divisor(clock_mhz, baud_rate)


def test_every_refused_rate_is_far_off_and_every_other_is_near() -> None:
    refused = 0
    for tenths in range(60, 1200):
        clock = Fraction(tenths, 10)
        try:
            divisor = baud_divisor(clock)
        except BaudRateError:
            refused += 1
            nearest = min(abs(clock / n - 1) for n in range(1, 200))
            assert nearest > Fraction(2, 100)
        else:
            assert abs(clock / divisor - 1) <= Fraction(2, 100)
    # From 25 cycles a bit on every clock will do.
    assert 0 < refused < 190
