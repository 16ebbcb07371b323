# SPDX-License-Identifier: BSD-2-Clause
"""Reads JSON of any origin into types."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def decode(text: bytes, kind: type[T]) -> T:
    """The value of the type ``kind`` that ``text`` describes.

    Nothing is converted: 1.0, "1" and true are no integers, and NaN is no number. Limits are those
    that ``kind`` is annotated with.

    Raises:
        ValueError: it is no JSON in UTF-8, or describes something else; the message says what and
            where.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(str(error).replace("`", "'")) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def convert(values: object, kind: type[T]) -> T:
    """The same of ``values`` that are read already, in types that JSON has.

    Raises:
        ValueError: they describe something else.
    """
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error).replace("`", "'")) from None
