# SPDX-License-Identifier: BSD-2-Clause
"""Gives every tensor a layout and a place in a storage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from celosia.compiler.layout import Layout, image_shape, round_up
from celosia.compiler.lower_conv import conv_kernel
from celosia.compiler.lower_dense import dense_kernel, dense_shape
from celosia.compiler.lower_matrix import Kernel, choose_taps
from celosia.compiler.needs import Needs, padded_inputs
from celosia.compiler.sharing import Sharing, residual
from celosia.compiler.step import Limits
from celosia.compiler.storage import Place, Placement
from celosia.graph.ir import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    Elementwise,
    FullyConnected,
    Graph,
    Lookup,
    MaxPool2D,
    Mean,
    Op,
    Reshape,
    TensorId,
)
from celosia_hw.config import AcceleratorConfig

#: Images with at most this many channels may be stored column by column.
TRANSPOSABLE_CHANNELS = 4


def place_tensors(
    graph: Graph, ops: list[Op], config: AcceleratorConfig, limits: Limits
) -> Placement:
    """A storage and a layout for every tensor that ``ops`` compute or read."""
    return _Placer(graph, ops, config, limits).placement


class _Placer:
    def __init__(
        self, graph: Graph, ops: list[Op], config: AcceleratorConfig, limits: Limits
    ) -> None:
        self.graph = graph
        self.ops = ops
        self.config = config
        self.limits = limits
        self.sharing = Sharing(graph, ops, config)
        self.placement = Placement(aliases=self.sharing.aliases)
        self._layouts: dict[TensorId, Layout] = {}
        self._padded = padded_inputs(ops)
        #: Of each set of tensors with one layout, the operations whose first operand is there.
        self._readers: dict[TensorId, list[Op]] = defaultdict(list)
        for op in ops:
            self._readers[self.sharing.layouts.find(op.inputs[0])].append(op)
        for tensor in self.sharing.tensors:
            if self.sharing.storages.find(tensor) not in self.sharing.parts:
                self._place_whole(tensor)
        for tensor in self.sharing.tensors:
            self._place_part(tensor)
        self._add_constants()
        self._add_temporaries()
        if config.scratch_single_port:
            self._alternate_banks()

    # --- layouts ---------------------------------------------------------------------------------

    def _layout(self, tensor: TensorId) -> Layout:
        """Of a tensor that is not part of another one."""
        source = self.sharing.flat.get(tensor)
        if source is not None:
            return self._layout(source)
        root = self.sharing.layouts.find(tensor)
        if root not in self._layouts:
            options = list(self._options(tensor))
            self._layouts[root] = min(options, key=self._cost_key(root))
        return self._layouts[root]

    def _options(self, tensor: TensorId) -> Iterator[Layout]:
        needs, shape = self.sharing.needs(tensor), self.sharing.shape(tensor)
        channels = shape[2]
        if needs.compact:
            yield Layout.arrange(shape, pixel=channels)
            return
        pixels = [round_up(channels, needs.multiple)]
        if needs.multiple == 1:
            pixels = [channels, round_up(channels, 4), round_up(channels, self.config.word_bytes)]
        for pixel in dict.fromkeys(pixels):
            yield _arrange(shape, pixel, needs, transposed=False)
            if channels <= TRANSPOSABLE_CHANNELS and min(shape[:2]) > 1 and needs.multiple == 1:
                yield _arrange(shape, pixel, needs, transposed=True)

    def _cost_key(self, root: TensorId) -> Callable[[Layout], tuple[int, bool, bool, int]]:
        """Fewest cycles first, then pixels that begin at units, then the least memory."""
        readers = self._readers[root]

        def key(layout: Layout) -> tuple[int, bool, bool, int]:
            cost = sum(self._cost(op, layout) for op in readers)
            unaligned = layout.channels >= 4 and min(layout.stride_w, layout.stride_h) % 4 != 0
            return cost, unaligned, layout.transposed, layout.size

        return key

    def _cost(self, op: Op, layout: Layout) -> int:
        """Taps that a reader of ``layout`` takes, where that depends on the layout."""
        kernel: Kernel
        if isinstance(op, Conv2D):
            kernel = conv_kernel(op, layout.channels)
        elif isinstance(op, FullyConnected) and op.inputs[0] not in self.sharing.flat:
            shape = dense_shape(layout.shape, op.weights.shape[1])
            if shape is None:
                return 0
            kernel = dense_kernel(op, shape)
        else:
            return 0
        found = choose_taps(kernel, layout.stride_h, layout.stride_w, self.config, self.limits)
        groups = -(-kernel.outputs // self.config.output_channels)
        positions = prod(self.graph.tensors[op.output].shape) // kernel.outputs
        return groups * positions * (found[1].count if found else 1 << 20)

    # --- storages --------------------------------------------------------------------------------

    def _place_whole(self, tensor: TensorId) -> None:
        """Creates the storage of ``tensor`` and places all that begins there."""
        if tensor in self.placement.places:
            return
        members = self.sharing.members(tensor)
        layouts = {t: self._layout(t) for t in members}
        before = max(layout.before for layout in layouts.values())
        after = max(layout.after for layout in layouts.values())
        word = self.config.word_bytes
        storage = self.placement.add(
            self.graph.tensors[tensor].name,
            round_up(before + after, 4),
            *self.sharing.lifetime(tensor),
            2 * word,
        )
        # Aligned are elements, or, where pixels are not, the windows that begin in the border.
        if all(min(x.stride_h, x.stride_w) % 4 == 0 for x in layouts.values()):
            storage.phase = -before % (2 * word)
        for t in members:
            value = None
            quantization = self.graph.tensors[t].quantization
            if t in self._padded and quantization is not None:
                value = quantization.zero_point
            self.placement.places[t] = Place(storage.number, before, layouts[t], value)

    def _place_part(self, tensor: TensorId) -> Place:
        if tensor in self.placement.places:
            return self.placement.places[tensor]
        part = self.sharing.parts[self.sharing.storages.find(tensor)]
        parent = self._place_part(part.parent)
        shape = self.sharing.shape(self.sharing.flat.get(tensor, tensor))
        strides = parent.layout.stride_h, parent.layout.stride_w
        layout = Layout(*shape, *strides, transposed=parent.layout.transposed)
        place = Place(parent.storage, parent.offset + parent.layout.offset(*part.offset), layout)
        self.placement.places[tensor] = place
        return place

    def _add_constants(self) -> None:
        """Constant operands of additions, in the layout of the result."""
        for op in self.ops:
            other = residual(op)
            data = None if other is None else self.graph.tensors[other].data
            if data is None or other is None:
                continue
            place = self.placement.places[op.output]
            layout = place.layout
            values = np.broadcast_to(data, self.graph.tensors[op.output].shape)
            memory = np.zeros(round_up(layout.after, 4), dtype=np.int8)
            view = np.lib.stride_tricks.as_strided(
                memory, layout.shape, (layout.stride_h, layout.stride_w, 1)
            )
            view[...] = values.reshape(layout.shape)
            storage = self.placement.add(
                self.graph.tensors[other].name,
                len(memory),
                -1,
                len(self.ops),
                2 * self.config.word_bytes,
            )
            storage.contents = memory.tobytes()
            self.placement.constants[op.output] = Place(storage.number, 0, layout)

    def _add_temporaries(self) -> None:
        """Compact copies for Reshapes neither side of which is compact."""
        for number, op in enumerate(self.ops):
            if not isinstance(op, Reshape) or op.output in self.sharing.aliases:
                continue
            source, target = (self.placement.places[t] for t in (op.inputs[0], op.output))
            if source.layout.shape == target.layout.shape:
                continue
            if source.layout.compact or target.layout.compact:
                continue
            shape = image_shape(self.graph.tensors[op.output].shape)
            layout = Layout.arrange(shape, pixel=shape[2])
            name = f"{self.graph.tensors[op.output].name} (compact)"
            align = 2 * self.config.word_bytes
            storage = self.placement.add(name, layout.size, number, number, align)
            self.placement.temporaries[op.output] = Place(storage.number, 0, layout)

    def _alternate_banks(self) -> None:
        """Lets operations that read and write equally often do so in different banks."""
        word = self.config.word_bytes
        chosen: set[int] = set()
        storages = self.placement.storages
        for op in self.ops:
            source, target = (self.placement.places[t] for t in (op.inputs[0], op.output))
            chosen.add(source.storage)
            paired = isinstance(
                op,
                DepthwiseConv2D | AveragePool2D | MaxPool2D | Mean | Add | Lookup | Elementwise,
            )
            if target.storage in chosen or not paired:
                continue
            chosen.add(target.storage)
            bank = storages[source.storage].phase + source.offset & word
            storage = storages[target.storage]
            if storage.phase + target.offset & word == bank:
                storage.phase = (storage.phase + word) % (2 * word)


def _arrange(shape: tuple[int, int, int], pixel: int, needs: Needs, *, transposed: bool) -> Layout:
    return Layout.arrange(
        shape,
        pixel=pixel,
        border=needs.border,
        gap=needs.gap_h if transposed else needs.gap_w,
        transposed=transposed,
        line_multiple=max(4, needs.multiple),
    )
