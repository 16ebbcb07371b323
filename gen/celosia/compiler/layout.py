# SPDX-License-Identifier: BSD-2-Clause
"""Where the elements of a tensor lie in the scratchpad, relative to its first element.

Activations are images of ``height * width`` pixels of ``channels`` adjacent bytes. Pixels and lines
may be further apart than their bytes need. A border of pixels that hold the zero point surrounds
a tensor that is read with padding; the gap between two lines serves as the right border of one
and the left border of the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from celosia.graph.ir import Padding


def round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Height, width and channels of a tensor of any rank with batch 1.

    Four dimensions are NHWC; with fewer or more, all but the last one make up the width.
    """
    if len(shape) == 4 and shape[0] == 1:
        return shape[1], shape[2], shape[3]
    if not shape:
        return 1, 1, 1
    return 1, prod(shape[:-1]), shape[-1]


@dataclass(frozen=True)
class Region:
    """``lines`` runs of ``bytes``, ``pitch`` apart, the first at ``offset``."""

    offset: int
    lines: int
    pitch: int
    bytes: int


@dataclass(frozen=True)
class Layout:
    """Strides in bytes. ``transposed`` means that the pixels of a column are neighbours in memory,
    not those of a row (``stride_h < stride_w``)."""

    height: int
    width: int
    channels: int
    stride_h: int
    stride_w: int
    border: Padding = Padding()
    transposed: bool = False

    @classmethod
    def arrange(
        cls,
        shape: tuple[int, int, int],
        *,
        pixel: int,
        border: Padding = Padding(),
        gap: int = 0,
        transposed: bool = False,
        line_multiple: int = 1,
    ) -> Layout:
        """The tightest layout of (height, width, channels) with ``pixel`` bytes from one pixel to
        the next, at least ``gap`` pixels between two lines, and lines a multiple of
        ``line_multiple`` bytes apart."""
        height, width, channels = shape
        if transposed:
            gap = max(gap, border.top, border.bottom)
            line = round_up((height + gap) * pixel, line_multiple)
            return cls(height, width, channels, pixel, line, border, True)
        gap = max(gap, border.left, border.right)
        line = round_up((width + gap) * pixel, line_multiple)
        return cls(height, width, channels, line, pixel, border)

    def offset(self, h: int, w: int, c: int = 0) -> int:
        return h * self.stride_h + w * self.stride_w + c

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def compact(self) -> bool:
        """Whether the elements fill consecutive bytes in the order of their indices."""
        columns = self.width == 1 or self.stride_w == self.channels
        rows = self.height == 1 or self.stride_h == self.width * self.channels
        return columns and rows

    @property
    def _lines(self) -> tuple[int, int, int, int]:
        """Number of lines and pixels a line, stride of lines and of pixels."""
        if self.transposed:
            return self.width, self.height, self.stride_w, self.stride_h
        return self.height, self.width, self.stride_h, self.stride_w

    @property
    def before(self) -> int:
        """Bytes that the border occupies before the first element."""
        b = self.border
        return b.top * self.stride_h + b.left * self.stride_w

    @property
    def after(self) -> int:
        """Bytes from the first element to the end of the border, or of the last element."""
        b = self.border
        last = self.offset(self.height - 1 + b.bottom, self.width - 1 + b.right)
        return last + self.channels

    @property
    def size(self) -> int:
        return self.before + self.after

    @property
    def border_regions(self) -> list[Region]:
        """All bytes of the border, the gaps between lines included."""
        lines, pixels, line, pixel = self._lines
        regions = []
        if self.before:
            regions.append(Region(-self.before, 1, 0, self.before))
        inner = pixels * pixel
        b = self.border
        gap = max(b.top, b.bottom) if self.transposed else max(b.left, b.right)
        if gap and lines > 1:
            regions.append(Region(inner, lines - 1, line, line - inner))
        last = (lines - 1) * line + inner
        if self.after > last:
            regions.append(Region(last, 1, 0, self.after - last))
        return regions
