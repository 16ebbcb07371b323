# SPDX-License-Identifier: BSD-2-Clause
"""CHAIN instructions: depthwise convolutions and sums over windows.

Along one axis, the chain, the kernel's taps lie in rows of the array: each position adds its
products to the partial sums of several outputs at once. With stride s and dilation d along the
chain, g = gcd(s, d), the outputs form d/g interleaved sets; those of one set are s*d/g pixels
apart, and so are its positions. Position p then reads the pixels of s/g phases, d apart, and row
slot j of n holds the tap ``(s/g) * j + phase``. A longer kernel is continued n slots further on.

Where the pixels of a line are adjacent in memory, several of them can share the lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import gcd

import numpy as np
import numpy.typing as npt

from celosia.compiler.cycles import step_cycles
from celosia.compiler.requantize import Requantization, fits_chain
from celosia.compiler.step import Limits, Loop, Step, Taps
from celosia.compiler.storage import Grid
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode


@dataclass(frozen=True)
class Depthwise:
    """Output (h, w, c) is the sum over (ky, kx) of ``weights[ky, kx, c]`` (of [ky, kx, 0] if there
    is one for all channels) times the input at (h*stride + ky*dilation, ..., c)."""

    weights: npt.NDArray[np.int8]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)

    @property
    def shared(self) -> bool:
        return bool(self.weights.shape[2] == 1)

    def transposed(self) -> Depthwise:
        return Depthwise(self.weights.transpose(1, 0, 2), self.stride[::-1], self.dilation[::-1])

    def folded(self, pixels: int) -> Depthwise:
        """For ``pixels`` neighbours taken as one pixel of so many times the channels."""
        if self.shared:
            return self
        return Depthwise(np.tile(self.weights, pixels), self.stride, self.dilation)


def chain_steps(
    kernel: Depthwise,
    source: Grid,
    target: Grid,
    found: Requantization,
    config: AcceleratorConfig,
    limits: Limits,
) -> list[Step] | None:
    """The CHAINs that take the fewest cycles, or None if the sums or the kernel are too large.

    ``source`` begins where the kernel's first element lies for the first output.
    """
    if not fits_chain(found, config):
        return None
    best: list[Step] | None = None
    cost = 0.0
    for candidate in _candidates(kernel, source, target, found, config, limits):
        cycles = sum(_cost(step, config) for step in candidate)
        if best is None or cycles < cost:
            best, cost = candidate, cycles
    return best


def _cost(step: Step, config: AcceleratorConfig) -> float:
    """Cycles, and a part of those that loading the weights takes besides."""
    assert step.weights is not None
    words = len(step.weights) * step.weight_words
    return step_cycles(step, config) + words * config.weight_chunks // 4


def _candidates(
    kernel: Depthwise,
    source: Grid,
    target: Grid,
    found: Requantization,
    config: AcceleratorConfig,
    limits: Limits,
) -> Iterator[list[Step]]:
    """One for each axis, number of slots, and number of pixels that share the lanes."""
    transposed = kernel.transposed(), source.transposed(), target.transposed()
    for k, s, t in ((kernel, source, target), transposed):
        for pixels in _folds(k, s, t, config):
            for slots in range(1, min(config.chain_rows, limits.skip + 1) + 1):
                steps: list[Step] = []
                for first in range(0, t.width, (t.width // pixels) * pixels):
                    # What is left of a line that is no multiple of ``pixels``.
                    width = min(t.width - first, (t.width // pixels) * pixels)
                    count = min(pixels, width)
                    parts = _fold(s, first, width, count), _fold(t, first, width, count)
                    made = _vertical(
                        k.folded(count), s.stride_w, *parts, found, count, slots, config, limits
                    )
                    if made is None:
                        break
                    steps += made
                else:
                    yield steps


def _folds(kernel: Depthwise, source: Grid, target: Grid, config: AcceleratorConfig) -> list[int]:
    """Numbers of neighbouring pixels of a line that may be taken as one."""
    channels = target.channels
    adjacent = source.stride_w == channels == target.stride_w
    if not adjacent or kernel.stride[1] != 1 or target.width == 1:
        return [1]
    lanes = config.input_channels
    limit = min(target.width, lanes // gcd(channels, lanes))
    return [1, *(p for p in range(2, limit + 1) if p * channels <= 4 * lanes)]


def _fold(grid: Grid, first: int, width: int, pixels: int) -> Grid:
    """``width`` pixels of each line from ``first`` on, ``pixels`` of them taken as one."""
    part = grid.part(0, first, grid.height, width // pixels)
    return Grid(
        part.address,
        part.height,
        part.width,
        pixels * part.channels,
        part.stride_h,
        pixels * part.stride_w,
    )


def _vertical(
    kernel: Depthwise,
    column: int,
    source: Grid,
    target: Grid,
    found: Requantization,
    pixels: int,
    slots: int,
    config: AcceleratorConfig,
    limits: Limits,
) -> list[Step] | None:
    """Chains along the height; several if outputs are interleaved.

    ``column`` is the distance of the kernel's columns, which may be less than ``source.stride_w``.
    """
    length = kernel.weights.shape[0]
    stride, dilation = kernel.stride[0], kernel.dilation[0]
    common = gcd(stride, dilation)
    phases, sets = stride // common, dilation // common
    if slots > 1 and (slots - 1) * phases >= length:
        return None  # a slot without any tap
    blocks = -(-length // (slots * phases))
    line = dilation * source.stride_h
    loops = (
        Loop(kernel.weights.shape[1], kernel.dilation[1] * column),
        Loop(blocks, slots * phases * line),
        Loop(phases, line),
    )
    order = _order(loops, limits)
    if order is None:
        return None
    if slots > 1 and loops[0].count * blocks * phases > config.weight_depth:
        return None  # only single positions can take more words than the memory has
    lanes = config.input_channels
    packed = _pack(kernel, blocks, slots, phases, order, config)
    groups = -(-target.channels // lanes)
    steps = []
    for first in range(min(sets, target.height)):
        outputs = -(-(target.height - first) // sets)
        steps.append(
            Step(
                opcode=Opcode.CHAIN,
                input=source.address + first * stride * source.stride_h,
                output=target.address + first * target.stride_h,
                groups=Loop(groups, lanes),
                lines=Loop(target.width, kernel.stride[1] * source.stride_w),
                positions=Loop(outputs + slots - 1, stride * sets * source.stride_h),
                taps=Taps(*(loops[i] for i in order)),
                out_group=lanes,
                out_line=target.stride_w,
                out_position=sets * target.stride_h,
                skip=slots - 1,
                tail=target.channels - (groups - 1) * lanes,
                weights=packed,
                weights_shared=kernel.shared,
                parameters=found.entries if kernel.shared else found.repeated(pixels).entries,
                uniform=kernel.shared,
                zero_point=found.zero_point,
                low=found.low,
                high=found.high,
            )
        )
    return steps


def _order(loops: tuple[Loop, Loop, Loop], limits: Limits) -> tuple[int, ...] | None:
    """Which loop becomes ky, kx and c."""
    maxima = (limits.taps_ky, limits.taps_kx, limits.taps_c)
    for order in permutations(range(3)):
        if all(loops[i].count <= limit for i, limit in zip(order, maxima, strict=True)):
            return order
    return None


def _pack(
    kernel: Depthwise,
    blocks: int,
    slots: int,
    phases: int,
    order: tuple[int, ...],
    config: AcceleratorConfig,
) -> npt.NDArray[np.int8]:
    """Words (groups, taps, OC, IC) with the taps in the order of the loops."""
    length, across, channels = kernel.weights.shape
    lanes, rows = config.input_channels, config.output_channels
    groups = -(-channels // lanes)
    if kernel.shared:
        spread = np.repeat(kernel.weights, lanes, axis=2)
        groups = 1
    else:
        spread = np.zeros((length, across, groups * lanes), dtype=np.int8)
        spread[:, :, :channels] = kernel.weights
    whole = np.zeros((blocks * slots * phases, across, groups * lanes), dtype=np.int8)
    whole[:length] = spread
    # (block, slot, phase, across, group, lane)
    parts = whole.reshape(blocks, slots, phases, across, groups, lanes)
    by_tap = parts.transpose(4, 3, 0, 2, 1, 5)  # group, across, block, phase, slot, lane
    by_tap = by_tap.transpose(0, *(1 + i for i in order), 4, 5)
    words = np.zeros((groups, across * blocks * phases, rows, lanes), dtype=np.int8)
    last = config.chain_rows
    words[:, :, last - slots : last] = by_tap.reshape(groups, -1, slots, lanes)
    return words
