# SPDX-License-Identifier: BSD-2-Clause
"""Instructions that count further than their fields can, split into several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from celosia.compiler.step import Entries, Limits, Loop, Step
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Opcode


def split(step: Step, config: AcceleratorConfig, limits: Limits) -> list[Step]:
    """Steps that do the same as ``step``, within the limits and the memories' depths."""
    if step.opcode == Opcode.FILL:
        return [step]
    parts = [step]
    for cut, limit in ((_groups, limits.groups), (_lines, limits.lines)):
        parts = [piece for part in parts for piece in cut(part, limit, config)]
    # Positions that emit: those before only fill the chain, in each part again.
    width = limits.positions - step.skip
    parts = [piece for part in parts for piece in _positions(part, width)]
    if step.weight_words > config.weight_depth:
        # Words cannot stay in the memory: each position takes them from the ring anew.
        parts = [piece for part in parts for piece in _groups(part, 1, config)]
        parts = [piece for part in parts for piece in _lines(part, 1, config)]
        parts = [piece for part in parts for piece in _positions(part, 1)]
    return parts


def _moved(step: Step, first: int, loop: Loop, out: int) -> dict[str, Any]:
    """Addresses for the iterations from ``first`` on."""
    changes: dict[str, Any] = {
        "input": step.input + first * loop.stride,
        "output": step.output + first * out,
    }
    if step.second is not None and step.second.residual is not None:
        residual = step.second.residual + first * out
        changes["second"] = replace(step.second, residual=residual)
    return changes


def _ranges(total: int, size: int) -> Iterator[tuple[int, int]]:
    for first in range(0, total, size):
        yield first, min(size, total - first)


def _groups(step: Step, limit: int, config: AcceleratorConfig) -> list[Step]:
    if step.groups.count <= limit:
        return [step]
    lanes = config.output_channels if step.opcode == Opcode.CONV else config.input_channels
    parts = []
    for first, size in _ranges(step.groups.count, limit):
        changes = _moved(step, first, step.groups, step.out_group)
        weights, parameters = step.weights, step.parameters
        if weights is not None and not step.weights_shared:
            weights = weights[first : first + size]
        if parameters is not None and not step.uniform:
            parameters = _entries(parameters, first * lanes, (first + size) * lanes)
        last = first + size == step.groups.count
        parts.append(
            step.part(
                **changes,
                groups=Loop(size, step.groups.stride),
                tail=step.tail if last else lanes,
                weights=weights,
                parameters=parameters,
            )
        )
    return parts


def _entries(parameters: Entries, first: int, last: int) -> Entries:
    return parameters.slice(first, min(last, len(parameters)))


def _lines(step: Step, limit: int, config: AcceleratorConfig) -> list[Step]:
    return [
        step.part(
            **_moved(step, first, step.lines, step.out_line),
            lines=Loop(size, step.lines.stride),
        )
        for first, size in _ranges(step.lines.count, limit)
    ]


def _positions(step: Step, limit: int) -> list[Step]:
    outputs = step.positions.count - step.skip
    return [
        step.part(
            **_moved(step, first, step.positions, step.out_position),
            positions=Loop(size + step.skip, step.positions.stride),
        )
        for first, size in _ranges(outputs, limit)
    ]
