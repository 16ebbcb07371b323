# SPDX-License-Identifier: BSD-2-Clause
"""Which tensors share a storage, which share a layout, and which are parts of others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from celosia.compiler.layout import image_shape
from celosia.compiler.lower_dense import dense_shape
from celosia.compiler.needs import Classes, Needs, window_needs
from celosia.compiler.shapes import concat_offsets, pad_amounts
from celosia.graph.ir import (
    Add,
    ArrayOp,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Elementwise,
    FullyConnected,
    Graph,
    Lookup,
    Op,
    Pad,
    Reshape,
    ResidualAdd,
    TensorId,
    operands,
)
from celosia_hw.config import AcceleratorConfig


@dataclass(frozen=True)
class Part:
    """A tensor that lies within another one, from (h, w, c) on."""

    parent: TensorId
    offset: tuple[int, int, int]


def residual(op: Op) -> TensorId | None:
    """The operand that the second pass adds."""
    if isinstance(op, Add):
        return op.inputs[1]
    if isinstance(op, ArrayOp) and isinstance(op.epilogue, ResidualAdd):
        return op.epilogue.other
    return None


class Sharing:
    """Decided for all operations of the accelerator at once.

    Attributes:
        storages: tensors of a set begin at the same address.
        layouts: tensors of a set have the same layout.
        parts: by the representative of a storage: it lies within another tensor.
        flat: results of a Reshape that only fully connected layers read, as they read the
            input's elements one after the other wherever they lie.
        aliases: results of a Reshape that need no copy.
    """

    def __init__(self, graph: Graph, ops: list[Op], config: AcceleratorConfig) -> None:
        self._graph = graph
        self._ops = ops
        self._config = config
        self.storages = Classes()
        self.layouts = Classes()
        self.parts: dict[TensorId, Part] = {}
        self.flat: dict[TensorId, TensorId] = {}
        self.aliases: set[TensorId] = set()
        self._needs: dict[TensorId, Needs] = {}
        self.tensors = _tensors(graph, ops)
        self._order = {tensor: number for number, tensor in enumerate(self.tensors)}
        self.first = dict.fromkeys(graph.inputs, -1)
        self.first |= {op.output: number for number, op in enumerate(ops)}
        self.last = dict(self.first)
        for number, op in enumerate(ops):
            for tensor in operands(op):
                self.last[tensor] = number
        for tensor in graph.outputs:
            self.last[tensor] = len(ops)
        self._demand()
        self._view_reshapes()
        self._place_parts()
        self._reuse()

    def shape(self, tensor: TensorId) -> tuple[int, int, int]:
        return image_shape(self._graph.tensors[tensor].shape)

    def needs(self, tensor: TensorId) -> Needs:
        """All demands on the layout of ``tensor`` and of those that share it."""
        return self._needs.get(self.layouts.find(tensor), Needs())

    def members(self, tensor: TensorId) -> list[TensorId]:
        """All tensors in the storage of ``tensor``, parts of them not included."""
        return self._ordered(self.storages.members(tensor))

    def lifetime(self, tensor: TensorId) -> tuple[int, int]:
        """First and last operation that uses the storage of ``tensor``, parts included."""
        members = self.members(tensor)
        first, last = min(self.first[t] for t in members), max(self.last[t] for t in members)
        for root, part in self.parts.items():
            if self.storages.same(part.parent, tensor):
                begin, end = self.lifetime(root)
                first, last = min(first, begin), max(last, end)
        return first, last

    def _demand(self) -> None:
        """Demands that follow from single operations."""
        lanes = self._config.output_channels, self._config.input_channels
        for op in self._ops:
            if isinstance(op, Conv2D | DepthwiseConv2D):
                self._add(op.inputs[0], window_needs(self._graph, op))
            if isinstance(op, FullyConnected):
                shape = self.shape(op.inputs[0])
                if dense_shape(shape, op.weights.shape[1]) is None:
                    self._add(op.inputs[0], Needs(compact=True))
            other = residual(op)
            if other is None:
                continue
            multiple = lanes[0] if isinstance(op, Conv2D | FullyConnected) else lanes[1]
            if isinstance(op, DepthwiseConv2D):
                multiple = max(lanes)
            self._add(op.output, Needs(multiple=multiple))
            if self._graph.tensors[other].data is None:
                self._unite_layouts(op.output, other)

    def _add(self, tensor: TensorId, needs: Needs) -> None:
        self._needs[self.layouts.find(tensor)] = self.needs(tensor).merged(needs)

    def _unite_layouts(self, a: TensorId, b: TensorId) -> None:
        merged = self.needs(a).merged(self.needs(b))
        self.layouts.unite(a, b)
        self._needs[self.layouts.find(a)] = merged

    def _view_reshapes(self) -> None:
        for op in self._ops:
            if not isinstance(op, Reshape):
                continue
            source, target = op.inputs[0], op.output
            if self.shape(source) == self.shape(target):
                both = self.needs(source).merged(self.needs(target))
                if both.possible(self.shape(source)):
                    self._unite_layouts(source, target)
                    self._alias(source, target)
            elif self._read_flat(target):
                self.flat[target] = source
                self._alias(source, target)
            elif all(
                self.needs(t).merged(Needs(compact=True)).possible(self.shape(t))
                for t in (source, target)
            ):
                for t in (source, target):
                    self._add(t, Needs(compact=True))
                self._alias(source, target)

    def _alias(self, source: TensorId, target: TensorId) -> None:
        self.aliases.add(target)
        self.storages.unite(source, target)

    def _read_flat(self, tensor: TensorId) -> bool:
        if tensor in self._graph.outputs:
            return False
        size = prod(self._graph.tensors[tensor].shape)
        readers = [op for op in self._ops if tensor in operands(op)]
        return bool(readers) and all(
            isinstance(op, FullyConnected)
            and op.weights.shape[1] == size
            and residual(op) != tensor
            for op in readers
        )

    def _place_parts(self) -> None:
        """Operands of Concatenation and Pad that can be computed where they belong."""
        for op in self._ops:
            if isinstance(op, Concatenation):
                offsets = concat_offsets(self._graph, op)
            elif isinstance(op, Pad):
                (top, _), (left, _), (before, _) = pad_amounts(self._graph, op)
                offsets = [(top, left, before)]
            else:
                continue
            for tensor, offset in zip(op.inputs, offsets, strict=True):
                if self._can_be_part(tensor, op.output):
                    self.parts[self.storages.find(tensor)] = Part(op.output, offset)

    def _can_be_part(self, tensor: TensorId, parent: TensorId) -> bool:
        root = self.storages.find(tensor)
        members = self.members(tensor)
        if root in self.parts or self.storages.same(tensor, parent):
            return False
        if any(t in self._graph.inputs for t in members):
            return False
        # Sharing its layout with another storage, a border or compactness would bind the parent.
        alone = all(self.storages.same(t, tensor) for t in self._with_layout(members))
        return alone and all(
            (self.needs(t) == Needs() and self.shape(t) == self.shape(tensor)) or t in self.flat
            for t in members
        )

    def _with_layout(self, members: Iterable[TensorId]) -> list[TensorId]:
        roots = {self.layouts.find(t) for t in members}
        return self._ordered(t for root in roots for t in self.layouts.members(root))

    def _ordered(self, tensors: Iterable[TensorId]) -> list[TensorId]:
        return sorted((t for t in tensors if t in self._order), key=self._order.__getitem__)

    def _reuse(self) -> None:
        """Results that take the place of an operand that is read for the last time."""
        for number, op in enumerate(self._ops):
            other = residual(op)
            if other is not None and self._can_replace(op, number, other):
                self.storages.unite(other, op.output)
                continue
            if not isinstance(op, Add | Lookup | Elementwise):
                continue
            source = op.inputs[0]
            both = self.needs(source).merged(self.needs(op.output))
            if self._can_replace(op, number, source) and both.possible(self.shape(source)):
                self._unite_layouts(source, op.output)
                self.storages.unite(source, op.output)

    def _can_replace(self, op: Op, number: int, operand: TensorId) -> bool:
        if self._graph.tensors[operand].data is not None:
            return False
        if self.shape(operand) != self.shape(op.output):
            return False
        if self.storages.same(operand, op.output):
            return False
        if self._is_part(operand) or self._is_part(op.output):
            return False
        if self.lifetime(operand)[1] != number or self.lifetime(op.output)[0] < number:
            return False
        # The other operand is read at other places than those just written.
        others = [op.inputs[0], residual(op)]
        others.remove(operand)
        return not any(
            t is not None and self._graph.tensors[t].data is None and self._within(t, operand)
            for t in others
        )

    def _is_part(self, tensor: TensorId) -> bool:
        return self.storages.find(tensor) in self.parts

    def _within(self, tensor: TensorId, whole: TensorId) -> bool:
        """Whether ``tensor`` lies in the storage of ``whole``."""
        root = self.storages.find(tensor)
        if root in self.parts:
            return self._within(self.parts[root].parent, whole)
        return self.storages.same(tensor, whole)


def _tensors(graph: Graph, ops: list[Op]) -> list[TensorId]:
    """Every tensor that is not a constant, in order of appearance."""
    found = dict.fromkeys(graph.inputs)
    for op in ops:
        found.update(dict.fromkeys([*operands(op), op.output]))
    return [tensor for tensor in found if graph.tensors[tensor].data is None]
