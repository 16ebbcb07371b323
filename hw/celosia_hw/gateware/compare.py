# SPDX-License-Identifier: BSD-2-Clause
"""Comparison of numbers that come late."""

from __future__ import annotations

from amaranth.hdl import Value

from ..config import AcceleratorConfig


def less(a: Value, b: Value, config: AcceleratorConfig) -> Value:
    """Whether ``a`` is less than ``b``, both signed.

    For a fast clock it is the sign of the difference. That has a bit more than a comparison's, but
    is a sum; a comparison ends with a carry, which on ECP5 takes another carry cell to get out.
    """
    return (a - b)[-1] if config.free_running else a < b
