# SPDX-License-Identifier: BSD-2-Clause
"""CONV instructions: every operation whose outputs are sums over several input channels.

Dense and grouped convolutions, depthwise ones with a multiplier, and fully connected layers are
all kernels with a window of input channels for each output channel. ``OC`` outputs form a group;
what they need together is read, with zero weights where an output does not need it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celosia.compiler import taps, weights
from celosia.compiler.requantize import Requantization
from celosia.compiler.step import Limits, Loop, Step, Taps
from celosia.compiler.storage import Grid
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode


@dataclass(frozen=True)
class Kernel:
    """Output o at (h, w) is the sum over (ky, kx, i) of ``weights[o, ky, kx, i]`` times the input
    at (h*stride[0] + ky*dilation[0], w*stride[1] + kx*dilation[1], start[o] + i)."""

    weights: npt.NDArray[np.int8]
    start: npt.NDArray[np.int64]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)

    @property
    def outputs(self) -> int:
        return len(self.weights)


@dataclass(frozen=True)
class Windows:
    """Groups g of ``OC`` outputs read ``width`` channels from ``first + g*step`` on."""

    first: int
    step: int
    width: int


def windows(start: npt.NDArray[np.int64], width: int, rows: int) -> Windows:
    """The affine windows of channels that cover what each group of ``rows`` outputs needs."""
    groups = -(-len(start) // rows)
    low = np.array([start[g * rows : (g + 1) * rows].min() for g in range(groups)])
    high = np.array([start[g * rows : (g + 1) * rows].max() for g in range(groups)]) + width
    best = None
    steps = {0, *(int(d) for d in np.diff(low) if d >= 0)}
    for step in sorted(steps):
        shifted_low, shifted_high = low - step * np.arange(groups), high - step * np.arange(groups)
        first = int(shifted_low.min())
        candidate = Windows(first, step, int(shifted_high.max()) - first)
        if best is None or candidate.width < best.width:
            best = candidate
    assert best is not None
    return best


def choose_taps(
    kernel: Kernel, stride_h: int, stride_w: int, config: AcceleratorConfig, limits: Limits
) -> tuple[Windows, Taps] | None:
    """The window and the loops of ``kernel`` over an input with these distances of lines and of
    pixels; None if the kernel exceeds what an instruction can count."""
    _, kh, kw, width = kernel.weights.shape
    window = windows(kernel.start, width, config.output_channels)
    rows = Loop(kh, kernel.dilation[0] * stride_h)
    columns = Loop(kw, kernel.dilation[1] * stride_w)
    found = taps.choose(rows, columns, window.width, config.input_channels, limits)
    return None if found is None else (window, found)


def group_values(kernel: Kernel, window: Windows, rows: int) -> npt.NDArray[np.int8]:
    """Weights of each group over its window: (groups, rows, kh * kw * window.width)."""
    outputs, kh, kw, width = kernel.weights.shape
    groups = -(-outputs // rows)
    values = np.zeros((groups * rows, kh, kw, window.width), dtype=np.int8)
    group = np.arange(outputs) // rows
    first = kernel.start - (window.first + group * window.step)
    index = first[:, None] + np.arange(width)
    values[np.arange(outputs)[:, None], :, :, index] = kernel.weights.transpose(0, 3, 1, 2)
    return values.reshape(groups, rows, -1)


def matrix_step(
    kernel: Kernel,
    source: Grid,
    target: Grid,
    found: Requantization,
    config: AcceleratorConfig,
    limits: Limits,
) -> Step | None:
    """One CONV that computes all of ``target``, or None if the kernel exceeds the loops.

    ``source`` begins where the kernel's first element lies for the first output.
    """
    chosen = choose_taps(kernel, source.stride_h, source.stride_w, config, limits)
    if chosen is None:
        return None
    window, loops = chosen
    rows = config.output_channels
    _, kh, kw, _ = kernel.weights.shape
    ky = np.arange(kh) * kernel.dilation[0] * source.stride_h
    kx = np.arange(kw) * kernel.dilation[1] * source.stride_w
    offsets = ky[:, None, None] + kx[None, :, None] + np.arange(window.width)
    values = group_values(kernel, window, rows)
    groups = values.shape[0]
    return Step(
        opcode=Opcode.CONV,
        input=source.address + window.first,
        output=target.address,
        groups=Loop(groups, window.step),
        lines=Loop(target.height, kernel.stride[0] * source.stride_h),
        positions=Loop(target.width, kernel.stride[1] * source.stride_w),
        taps=loops,
        out_group=rows,
        out_line=target.stride_h,
        out_position=target.stride_w,
        tail=kernel.outputs - (groups - 1) * rows,
        weights=weights.pack(loops.offsets, config.input_channels, offsets.ravel(), values),
        parameters=found.entries,
        uniform=len(found.entries) == 1 < kernel.outputs,
        zero_point=found.zero_point,
        low=found.low,
        high=found.high,
    )


def diagonal(kernel: npt.NDArray[np.int8]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    """Weights and starts of a ``Kernel`` that does a depthwise one, (kh, kw, out) with out = in."""
    outputs = kernel.shape[2]
    return kernel.transpose(2, 0, 1)[..., np.newaxis], np.arange(outputs)
