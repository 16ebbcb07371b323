# SPDX-License-Identifier: BSD-2-Clause
"""What to tell when a design does not fit its device or is too slow."""

from __future__ import annotations

import math
from collections.abc import Sequence

from celosia_hw.config import ARRAY_SIZES

from .blocks import Blocks
from .netlist import Cell, counts_as
from .resources import TITLES, resource_of
from .route import DoesNotFitError, Routed
from .timing import Clock, LongestPath

#: The block whose size follows the number of products.
ARRAY_BLOCK = "core.array"
#: How many blocks a message names.
_NAMED = 3
#: What nextpnr appends to the name of a cell that it packed others into.
_PACKED = ("_DFFLC", "_LC", "_RAM", "_DSP", "_SPRAM")


def fit_message(
    error: DoesNotFitError, family: str, blocks: Blocks, array: tuple[int, int] | None
) -> str:
    """Which resource is short, who takes it, and which smaller array would do.

    Args:
        error: what nextpnr said.
        family: ``ice40`` or ``ecp5``.
        blocks: the blocks of the netlist.
        array: output channels by input channels of the MAC array, if the design has one.
    """
    usage = blocks.usage()
    short = [kind for kind, used in error.utilization.items() if not used.fits]
    if error.crowded:
        # The fullest one of those that blocks are made of is what is in the way.
        known = [kind for kind in error.utilization if resource_of(family, kind)]
        short = sorted(known, key=lambda kind: -_fullness(error, kind))[:1]
    parts = []
    for kind in short:
        used = error.utilization[kind]
        part = f"it takes {used.used:,} of {used.available:,} {TITLES.get(kind, kind)}"
        resource = resource_of(family, kind)
        if resource is not None:
            part += f" ({_largest(usage, resource)})"
            remedy = _smaller(usage, resource, used.used, used.available, array)
        else:
            remedy = "take a larger board"
        parts.append(f"{part}: {remedy}")
    text = "the design does not fit"
    if error.crowded:
        text = "nextpnr cannot place and route all cells, with another seed it may (--seeds 8)"
    return f"{text}: " + "; ".join(parts) if parts else text


def clock_message(tried: Sequence[Routed], clock: Clock, blocks: Blocks, best: Routed) -> str:
    """Which clock is too slow, because of which path, and which clock would do."""
    several = f" with the best of {len(tried)} seeds, {best.seed}" if len(tried) > 1 else ""
    text = (
        f"the clock is missed: {clock.achieved_mhz:.2f} MHz of {clock.required_mhz:g} MHz{several}"
    )
    if clock.path is not None:
        path = clock.path
        start, end = path_ends(path, blocks)
        text += (
            f". The longest path takes {path.total_ns:.1f} ns ({path.logic_ns:.1f} in logic, "
            f"{path.routing_ns:.1f} in routing), from {start} to {end}"
        )
    slower = math.floor(clock.achieved_mhz)
    return f"{text}: try --seeds {max(8, 4 * len(tried))}, or --freq {slower}, or a smaller array"


def path_ends(path: LongestPath, blocks: Blocks) -> tuple[str, str]:
    """Where a path starts and ends: the block, and in brackets the signal if it has a name."""
    start = blocks.driver_of_net(path.start_net) or _cell(blocks, path.start)
    end = _cell(blocks, path.end)
    # A flip-flop in one place with its LUT: nextpnr names the LUT.
    register = _register(blocks, end) if end is not None else None
    return _described(blocks, start, path.start), _described(blocks, register or end, path.end)


def _cell(blocks: Blocks, packed: str) -> Cell | None:
    for suffix in ("", *_PACKED):
        if packed.endswith(suffix):
            cell = blocks.cell(packed.removesuffix(suffix))
            if cell is not None:
                return cell
    return None


def _register(blocks: Blocks, cell: Cell) -> Cell | None:
    counted = counts_as(cell.type)
    if counted is None or counted[0] != "lut":
        return cell
    sinks = [sink for bit in cell.outputs for sink in blocks.sinks(bit)]
    return next((sink for sink in sinks if counts_as(sink.type) == ("ff", 1)), None)


def _described(blocks: Blocks, cell: Cell | None, name: str) -> str:
    if cell is None:
        return name
    block = blocks.name(blocks.path(cell), None)
    signal = blocks.signal(cell)
    return f"{block} ({signal})" if signal else block


def _largest(usage: dict[str, dict[str, int]], resource: str) -> str:
    counts = {name: counted[resource] for name, counted in usage.items() if counted[resource]}
    names = sorted(counts, key=lambda name: (-counts[name], name))[:_NAMED]
    return "most in " + ", ".join(f"{name} {counts[name]:,}" for name in names)


def _smaller(
    usage: dict[str, dict[str, int]],
    resource: str,
    used: int,
    available: int,
    array: tuple[int, int] | None,
) -> str:
    """The largest array that would fit, if what the array takes follows its products."""
    inside = sum(
        counted[resource]
        for name, counted in usage.items()
        if name == ARRAY_BLOCK or name.startswith(f"{ARRAY_BLOCK}.")
    )
    if array is None or not inside:
        return "take a smaller array ('celosia generate --array') or a larger board"
    outside = used - inside
    products = array[0] * array[1]

    def order(size: tuple[int, int]) -> tuple[float, ...]:
        # The largest first; of the same number of products, shaped as the present one, or square.
        shape = math.log2(size[0] / size[1])
        return (-size[0] * size[1], abs(shape - math.log2(array[0] / array[1])), abs(shape), *size)

    sizes = [(rows, lanes) for rows in ARRAY_SIZES for lanes in ARRAY_SIZES]
    for rows, lanes in sorted((s for s in sizes if s[0] * s[1] < products), key=order):
        need = outside + math.ceil(inside * rows * lanes / products)
        if need <= available:
            return (
                f"an array of {rows}x{lanes} would take about {need:,} "
                f"('celosia generate --array {rows}x{lanes}')"
            )
    if outside > available:
        return f"without the array it would still be {outside:,}, so take a larger board"
    return "no smaller array would do, so take a larger board"


def _fullness(error: DoesNotFitError, kind: str) -> float:
    used = error.utilization[kind]
    return used.used / used.available if used.available else 0.0
