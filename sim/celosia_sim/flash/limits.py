# SPDX-License-Identifier: BSD-2-Clause
"""Times that a memory asks for, and the error of whoever does not keep them."""

from __future__ import annotations

from dataclasses import dataclass


class FlashError(AssertionError):
    """The memory was used in a way that its datasheet does not allow."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Times of section 9.6, in nanoseconds; a minimum unless it says otherwise.

    Attributes:
        clock: period of the serial clock (104 MHz, for supplies from 2.7 V).
        slow_clock: the same for command 03h (50 MHz).
        half: the clock's high and low time, 45 % of the shortest period.
        slch: from selection to the first rising edge.
        chsh: from the last rising edge to the end of the selection.
        shsl1: between selections, after a read.
        shsl2: the same after any other command.
        dp: to power-down.
        res1: wakes up from power-down.
        res2: the same if ABh read the device's number.
        rst: resets itself.
        w: writes a status register's permanent bits, at most.
    """

    clock: float = 1000 / 104
    slow_clock: float = 20
    half: float = 0.45 * 1000 / 133
    slch: float = 3
    chsh: float = 3
    shsl1: float = 10
    shsl2: float = 50
    dp: float = 3_000
    res1: float = 3_000
    res2: float = 1_800
    rst: float = 30_000
    w: float = 15_000_000
