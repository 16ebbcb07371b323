# SPDX-License-Identifier: BSD-2-Clause
"""Plain Python values in and out of the bits of a port."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data


def width_of(shape: Any) -> int:
    """The number of bits of a shape."""
    return int(Shape.cast(shape).width)


def to_bits(shape: Any, value: Any) -> int:
    """The bits of ``value``: an integer, or a mapping (sequence) of a layout's fields (elements).

    Fields that are left out are zero.

    Raises:
        ValueError: an integer does not fit its shape.
        KeyError: the layout has no such field.
    """
    if isinstance(value, Integral):
        width = width_of(shape)
        number = int(value)
        low = 0
        if not isinstance(shape, data.Layout) and Shape.cast(shape).signed:
            low = -(1 << width - 1)
        if not low <= number < low + (1 << width):
            raise ValueError(f"{number} does not fit {shape!r}")
        return number & ((1 << width) - 1)
    bits = 0
    for name, element in value.items() if isinstance(value, Mapping) else enumerate(value):
        field = shape[name]
        bits |= to_bits(field.shape, element) << field.offset
    return bits


def from_bits(shape: Any, bits: int) -> Any:
    """The integer, or the dictionary (list) of a layout's fields (elements), that ``bits`` mean."""
    if isinstance(shape, data.ArrayLayout):
        width = width_of(shape.elem_shape)
        mask = (1 << width) - 1
        return [from_bits(shape.elem_shape, bits >> i * width & mask) for i in range(shape.length)]
    if isinstance(shape, data.Layout):
        return {
            name: from_bits(field.shape, bits >> field.offset & ((1 << field.width) - 1))
            for name, field in shape
        }
    plain = Shape.cast(shape)
    if plain.signed and bits >> plain.width - 1:
        return bits - (1 << plain.width)
    return bits
