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


def padded_inputs(ops: list[Op]) -> set[TensorId]:
    """The tensors that some convolution reads with padding."""
    return {
        op.inputs[0]
        for op in ops
        if isinstance(op, Conv2D | DepthwiseConv2D) and op.padding != Padding()
    }


class Classes:
    """Disjoint sets of tensors."""

    def __init__(self) -> None:
        self._parent: dict[TensorId, TensorId] = {}
        #: Of each representative, all of its set.
        self._members: dict[TensorId, list[TensorId]] = {}

    def find(self, tensor: TensorId) -> TensorId:
        """The representative of the set of ``tensor``."""
        if tensor not in self._parent:
            self._parent[tensor] = tensor
            self._members[tensor] = [tensor]
        root = tensor
        while self._parent[root] != root:
            root = self._parent[root]
        while tensor != root:
            self._parent[tensor], tensor = root, self._parent[tensor]
        return root

    def members(self, tensor: TensorId) -> list[TensorId]:
        """All of the set of ``tensor``, in no order."""
        return self._members[self.find(tensor)]

    def unite(self, a: TensorId, b: TensorId) -> None:
        root, other = self.find(a), self.find(b)
        if root != other:
            self._parent[other] = root
            self._members[root] += self._members.pop(other)

    def same(self, a: TensorId, b: TensorId) -> bool:
        return self.find(a) == self.find(b)
