# SPDX-License-Identifier: BSD-2-Clause
"""The option ``--array``."""

from __future__ import annotations

import re

import click

from celosia_hw.config import ARRAY_SIZES


class ArrayType(click.ParamType[tuple[int, int]]):
    """``4x16`` becomes (4, 16): output channels, input channels."""

    name = "OUTxIN"

    def convert(
        self,
        value: str | tuple[int, int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,3})x(\d{1,3})", value.strip().lower())
        sizes = tuple(int(size) for size in match.groups()) if match else ()
        if len(sizes) != 2 or not set(sizes) <= set(ARRAY_SIZES):
            self.fail(
                f"{value!r} is no array; give output channels x input channels, each one of "
                f"{', '.join(map(str, ARRAY_SIZES))}, for example 4x4 or 8x16",
                param,
                ctx,
            )
        return sizes[0], sizes[1]
