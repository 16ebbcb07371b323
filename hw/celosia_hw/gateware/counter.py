# SPDX-License-Identifier: BSD-2-Clause
"""Counters that can be loaded, at one logic cell a bit."""

from __future__ import annotations

from amaranth.hdl import Value


def count_up(value: Value, load: Value) -> Value:
    """``value + 1``, modulo its width, while ``load`` is low; else it means nothing.

    To be used where ``load`` overrides the count with another value. An iCE40 LUT shares two of its
    inputs with its carry: with ``load`` as an operand of the adder the LUT has an input left for
    the other value, which else takes a second LUT for each bit.
    """
    return (value - (~load).replicate(len(value)))[: len(value)]
