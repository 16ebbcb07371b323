# SPDX-License-Identifier: BSD-2-Clause
"""MAX instructions: maxima over windows, and copies, which are maxima over one element."""

from __future__ import annotations

from dataclasses import replace

from celosia.compiler import taps
from celosia.compiler.requantize import Requantization
from celosia.compiler.step import Limits, Loop, SecondPass, Step
from celosia.compiler.storage import Grid
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode


def max_step(
    window: tuple[int, int],
    stride: tuple[int, int],
    source: Grid,
    target: Grid,
    found: Requantization,
    config: AcceleratorConfig,
    limits: Limits,
) -> Step | None:
    """One MAX for all of ``target``, or None if the window exceeds the loops.

    ``source`` begins with the first output's window.
    """
    if stride[1] == 1:
        source, target = _joined(source, target, window)
    loops = taps.assign(
        (Loop(window[0], source.stride_h), Loop(window[1], source.stride_w), Loop()),
        limits,
        exact=True,
    )
    if loops is None:
        return None
    lanes = config.input_channels
    groups = -(-target.channels // lanes)
    return Step(
        opcode=Opcode.MAX,
        input=source.address,
        output=target.address,
        groups=Loop(groups, lanes),
        lines=Loop(target.height, stride[0] * source.stride_h),
        positions=Loop(target.width, stride[1] * source.stride_w),
        taps=loops,
        out_group=lanes,
        out_line=target.stride_h,
        out_position=target.stride_w,
        tail=target.channels - (groups - 1) * lanes,
        parameters=found.entries,
        uniform=True,
        zero_point=found.zero_point,
        low=found.low,
        high=found.high,
    )


def _joined(source: Grid, target: Grid, window: tuple[int, int]) -> tuple[Grid, Grid]:
    """Pixels that are adjacent in both taken as one, whole lines too for windows of one element.

    The distance between the pixels of a window stays that of ``source``.
    """
    channels = target.channels
    if not source.stride_w == channels == target.stride_w or target.width == 1:
        return source, target
    line = target.width * channels
    source = replace(source, width=1, channels=line)
    target = replace(target, width=1, channels=line)
    if window == (1, 1) and source.stride_h == line == target.stride_h:
        whole = target.height * line
        source = replace(source, height=1, channels=whole)
        target = replace(target, height=1, channels=whole)
    return source, target


def copy_step(
    source: Grid,
    target: Grid,
    found: Requantization,
    second: SecondPass | None,
    config: AcceleratorConfig,
    limits: Limits,
) -> Step:
    """A MAX that copies ``source`` to ``target``, through ``second`` if given."""
    step = max_step((1, 1), (1, 1), source, target, found, config, limits)
    assert step is not None
    step.second = second
    return step
