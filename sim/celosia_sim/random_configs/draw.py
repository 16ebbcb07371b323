# SPDX-License-Identifier: BSD-2-Clause
"""Draws a configuration and models that fill it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from celosia.compiler.assemble import assemble
from celosia.compiler.compile import Plan, make_plan
from celosia.compiler.image import Image
from celosia.compiler.layout import round_up
from celosia.compiler.requirements import Widths, required_widths
from celosia.errors import CelosiaError, FitError, ModelError
from celosia.graph.ir import Graph
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.config import ARRAY_SIZES, MULTIPLIERS, AcceleratorConfig
from celosia_hw.isa import Source
from celosia_sim.random_models import random_graph, random_model

from .sized import SizedShape, sized_shapes

#: Largest dimensions: memory that nothing of a random model is in costs time alone.
_MAX_DEPTH = 2600
_MAX_SCRATCH = 1 << 17
_AMPLE = 1 << 20
#: Words of the memory blocks of iCE40 and ECP5 in their shapes: where one ends, another begins.
_BLOCK_WORDS = (256, 512, 1024, 2048)
#: What the external memory delivers, in bytes a cycle.
_RATES = (0.25, 0.5, 1.5, 4.0)
#: What makes products in a device of a family.
FAMILY_MULTIPLIERS = {"ice40": ("mac16", "fabric"), "ecp5": ("mult18", "mult18_pair", "fabric")}
#: One case in so many has a configuration that sizing chooses for a board.
SIZED_EVERY = 4


@dataclass(frozen=True)
class Model:
    """A random model: its number, its graph as it was read and as it is compiled, its image, and
    what the external memory delivers, in bytes a cycle."""

    seed: int
    graph: Graph
    optimized: Graph
    plan: Plan
    image: Image
    external_rate: float


@dataclass(frozen=True)
class Case:
    """A configuration and models for it, of which the first one fills it."""

    seed: int
    config: AcceleratorConfig
    models: tuple[Model, ...]
    sized: SizedShape | None


def random_case(seed: int, models: int, family: str | None = None) -> Case:
    """The case of a seed, with so many models.

    With a ``family`` the array is a small one with multipliers that this family has, as what
    synthesis makes of it takes long to simulate, and it is none that sizing returns.

    The array and what surrounds it is drawn first, or is one that sizing returns for a board, each
    in turn; then models, and then memories that the first of them just fills, or wraps around in,
    or that are larger: powers of two or not, up to a boundary of memory blocks or beyond.
    """
    for attempt in range(100):
        rng = np.random.default_rng([seed, attempt, *(family or "").encode()])
        shapes = sized_shapes()
        sized = None
        if family is None and seed % SIZED_EVERY == 0:
            sized = shapes[seed // SIZED_EVERY % len(shapes)]
        try:
            return _case(seed, rng, models, sized.config if sized else _shape(rng, family), sized)
        except FitError:
            continue
    raise AssertionError(f"nothing fits case {seed}")


def _case(
    seed: int,
    rng: np.random.Generator,
    count: int,
    shape: AcceleratorConfig,
    sized: SizedShape | None,
) -> Case:
    graphs = _graphs(rng, shape)
    # More than are needed, as not all of them will fit the memories that one fills.
    drawn = [next(graphs) for _ in range(count)]
    filling = max(drawn, key=lambda d: sum(len(op.inputs) for op in d[2].ops))
    widths = Widths()
    for _, _, optimized in drawn:
        widths = widths.merged(required_widths(optimized))
    if sized:
        config = sized.config_for(filling[2], widths)
    else:
        config = _memories(rng, filling[2], _widths(rng, shape, widths))
    drawn.remove(filling)
    models = [_compiled(*filling, config)]
    for _ in range(20 * count):
        if len(models) == count:
            return Case(seed, config, tuple(models), sized)
        number, graph, optimized = drawn.pop() if drawn else next(graphs)
        try:
            models.append(_compiled(number, graph, optimized, config))
        except FitError:
            continue
    raise FitError("no other model fits")


def _compiled(seed: int, graph: Graph, optimized: Graph, config: AcceleratorConfig) -> Model:
    plan = make_plan(optimized, config)
    rate = _RATES[seed % len(_RATES)]
    return Model(seed, graph, optimized, plan, assemble(plan, rate), rate)


def _graphs(
    rng: np.random.Generator, shape: AcceleratorConfig
) -> Iterator[tuple[int, Graph, Graph]]:
    """Random models, the larger the array is the larger: two of three are networks."""
    size = 1 + max((shape.macs_per_cycle // 16).bit_length() // 2, 0)
    while True:
        seed = int(rng.integers(1 << 31))
        content = random_graph(seed, size) if rng.random() < 0.67 else random_model(seed, size)
        graph = _read(content, f"random_{seed}")
        try:
            optimized = optimize(graph)
            required_widths(optimized)
        except CelosiaError as error:
            if isinstance(error, FitError | ModelError):
                continue
            raise
        if optimized.ops:
            yield seed, graph, optimized


def _read(content: bytes, name: str) -> Graph:
    with tempfile.TemporaryDirectory(prefix="celosia-") as folder:
        path = Path(folder) / f"{name}.tflite"
        path.write_bytes(content)
        return load_tflite(path)


def _choice(rng: np.random.Generator, values: Sequence[int]) -> int:
    return values[int(rng.integers(len(values)))]


def _shape(rng: np.random.Generator, family: str | None) -> AcceleratorConfig:
    """All but the memories and widths; small arrays more often, as large ones cost time."""
    kinds = FAMILY_MULTIPLIERS[family] if family else MULTIPLIERS
    while True:
        rows, lanes = _choice(rng, ARRAY_SIZES), _choice(rng, ARRAY_SIZES)
        if rows * lanes <= 32 or (not family and rng.random() < 32 / (rows * lanes)):
            break
    chain_rows = _choice(rng, (2, min(3, rows), min(4, rows), rows, int(rng.integers(2, rows + 1))))
    lanes_at_once = [q for q in (1, 2, 4, 8) if q <= min(rows, lanes)]
    return AcceleratorConfig(
        output_channels=rows,
        input_channels=lanes,
        chain_rows=chain_rows,
        scratch_single_port=bool(rng.integers(2)),
        requantize_lanes=_choice(rng, lanes_at_once),
        multipliers=kinds[int(rng.integers(len(kinds)))],
        accumulator_bits=32,
        chain_bits=32,
        multiplier_bits=32,
    )


def _widths(
    rng: np.random.Generator, shape: AcceleratorConfig, needed: Widths
) -> AcceleratorConfig:
    """Each width as narrow as it can be, or any wider one."""

    def width(least: int, most: int) -> int:
        return least if rng.random() < 0.5 else int(rng.integers(least, most, endpoint=True))

    accumulator = width(max(20, needed.accumulator, needed.chain), 32)
    return replace(
        shape,
        accumulator_bits=accumulator,
        chain_bits=width(max(16, needed.chain), accumulator),
        multiplier_bits=width(max(16, needed.multiplier), 32),
    )


def _memories(
    rng: np.random.Generator, graph: Graph, config: AcceleratorConfig
) -> AcceleratorConfig:
    ample = replace(config, scratch_bytes=_AMPLE, weight_depth=1 << 16, parameter_depth=1 << 16)
    plan = make_plan(graph, ample)
    words = max((s.weight_words for s in plan.steps if s.weights is not None), default=1)
    config = replace(
        ample,
        weight_depth=_depth(rng, plan.weights.rows, words),
        parameter_depth=_depth(
            rng, plan.parameters.rows, config.group_bytes // config.requantize_lanes
        ),
    )
    plan = make_plan(graph, config)
    needed = plan.activation_bytes + _AMPLE - plan.constants.start
    step = 2 * config.word_bytes
    if plan.weights.source == Source.SCRATCH and rng.random() < 0.5:
        # So small that the weights have to come from outside.
        for size in range(needed - len(plan.weights.data), needed, step):
            outside = replace(config, scratch_bytes=max(round_up(size, step), step))
            try:
                make_plan(graph, outside)
            except FitError:
                continue
            return outside
    kind = rng.integers(3)
    if kind == 0:
        needed = 1 << (needed - 1).bit_length()
    elif kind == 1:
        needed += int(rng.integers(needed))
    size = round_up(needed, step)
    if size > _MAX_SCRATCH:
        raise FitError("more than a test should take")
    return replace(config, scratch_bytes=size)


def _depth(rng: np.random.Generator, rows: int, least: int) -> int:
    """Of a memory for ``rows`` rows: just these, or fewer, but ``least``, so that it is a ring; or
    more: at or behind a boundary of memory blocks, a power of two, or any."""
    least = max(least, 16)
    kind = rng.integers(8)
    if kind < 2 or rows > _MAX_DEPTH:
        depth = rows
    elif kind < 5 and least < rows:
        depth = int(rng.integers(least, rows))
    elif kind == 5:
        depth = next((w for w in _BLOCK_WORDS if w >= rows), rows) + int(rng.integers(-1, 2))
    elif kind == 6:
        depth = 1 << max(rows - 1, 1).bit_length()
    else:
        depth = rows + int(rng.integers(1, rows + 16))
    depth = max(depth, least if depth < rows else rows, 16)
    if depth > _MAX_DEPTH:
        raise FitError("more than a test should take")
    return depth
