# SPDX-License-Identifier: BSD-2-Clause
"""What the readers and writers of a tensor demand of its layout."""

from __future__ import annotations

from dataclasses import dataclass

from celosia.compiler.layout import image_shape
from celosia.graph.ir import Conv2D, DepthwiseConv2D, Graph, Op, Padding, TensorId


@dataclass(frozen=True)
class Needs:
    """Demands on a layout: a border; pixels between columns or lines (see ``kernel_gap``);
    distances that are multiples of ``multiple`` bytes; no gaps at all if ``compact``."""

    border: Padding = Padding()
    gap_h: int = 0
    gap_w: int = 0
    multiple: int = 1
    compact: bool = False

    def merged(self, other: Needs) -> Needs:
        a, b = self.border, other.border
        return Needs(
            Padding(
                max(a.top, b.top),
                max(a.bottom, b.bottom),
                max(a.left, b.left),
                max(a.right, b.right),
            ),
            max(self.gap_h, other.gap_h),
            max(self.gap_w, other.gap_w),
            max(self.multiple, other.multiple),
            self.compact or other.compact,
        )

    def possible(self, shape: tuple[int, int, int]) -> bool:
        """Whether a layout of an image of ``shape`` can meet all demands."""
        bordered = self.border != Padding() or self.gap_h or self.gap_w
        return not self.compact or not (bordered or shape[2] % self.multiple)


def window_needs(graph: Graph, op: Conv2D | DepthwiseConv2D) -> Needs:
    """Of the input of a convolution.

    The border has only what a window reaches. A kernel wider than a line with its border would
    read a byte both as the end of one line and as the beginning of the next; then the gap
    between lines is widened to keep them apart.
    """
    height, width, _ = image_shape(graph.tensors[op.inputs[0]].shape)
    rows, columns, _ = image_shape(graph.tensors[op.output].shape)
    window = op.weights.shape[1:3] if isinstance(op, Conv2D) else op.weights.shape[:2]
    reach = [(k - 1) * d + 1 for k, d in zip(window, op.dilation, strict=True)]
    p = op.padding
    bottom = (rows - 1) * op.stride[0] + reach[0] - p.top - height
    right = (columns - 1) * op.stride[1] + reach[1] - p.left - width
    border = Padding(p.top, max(bottom, 0), p.left, max(right, 0))
    return Needs(border, max(reach[0] - height, 0), max(reach[1] - width, 0))


def padded_readers(ops: list[Op], tensor: TensorId) -> bool:
    """Whether some convolution reads ``tensor`` with padding."""
    return any(
        isinstance(op, Conv2D | DepthwiseConv2D)
        and op.inputs[0] == tensor
        and op.padding != Padding()
        for op in ops
    )


class Classes:
    """Disjoint sets of tensors."""

    def __init__(self) -> None:
        self._parent: dict[TensorId, TensorId] = {}

    def find(self, tensor: TensorId) -> TensorId:
        """The representative of the set of ``tensor``."""
        parent = self._parent.setdefault(tensor, tensor)
        if parent != tensor:
            parent = self._parent[tensor] = self.find(parent)
        return parent

    def unite(self, a: TensorId, b: TensorId) -> None:
        self._parent[self.find(b)] = self.find(a)

    def same(self, a: TensorId, b: TensorId) -> bool:
        return self.find(a) == self.find(b)
