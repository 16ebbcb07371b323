# SPDX-License-Identifier: BSD-2-Clause
"""Output channels of extreme scales, weights and biases: whether the requantizer is exact for each.

    python -m benchmarks.channels

Draws channels of convolutions and fully connected layers that LiteRT defines, compiles each, and
compares the hardware's arithmetic with the reference's on both sides of every step, at the ends of
the reachable accumulators, and on random ones between. That the constants are equal on the whole
range is proved when they are found. Writes benchmarks/results/channels.json.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from rich.progress import track

from celosia.arithmetic.add import add_operands
from celosia.arithmetic.fixed_point import conv_multipliers, quantize_multiplier, requantize
from celosia.arithmetic.fully_connected import fully_connected_scales, requantize_fully_connected
from celosia.compiler.context import Context
from celosia.compiler.parameters import normalized
from celosia.compiler.requantize import of_weighted
from celosia.compiler.storage import Placement
from celosia.errors import CelosiaError
from celosia.graph.ir import (
    Activation,
    Add,
    Conv2D,
    DType,
    FullyConnected,
    Graph,
    Lookup,
    Padding,
    Tensor,
)
from celosia.passes import split_roundings
from celosia.passes.ranges import accumulator_bounds, tensor_ranges
from celosia.passes.requantization import is_defined
from celosia_hw.config import AcceleratorConfig
from celosia_sim.program_model.arithmetic import first_pass
from celosia_sim.tflite_writer import per_tensor

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "channels.json"
CONFIG = AcceleratorConfig(accumulator_bits=32, multiplier_bits=32)
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Channel:
    """A graph with one operation of one output channel, and what it can accumulate."""

    graph: Graph
    low: int
    high: int

    @property
    def op(self) -> Conv2D | FullyConnected:
        op = self.graph.ops[0]
        assert isinstance(op, Conv2D | FullyConnected)
        return op


def random_scale(rng: np.random.Generator, exponent: float) -> float:
    """Near 2^exponent; three of ten are powers of two."""
    return float(np.float32(2.0 ** (np.round(exponent) if rng.random() < 0.3 else exponent)))


def draw(rng: np.random.Generator) -> Channel | None:
    """A random channel; None where the reference refuses or does not define it."""
    taps = int(2 ** rng.uniform(0, 14))
    extreme = rng.random() < 0.3
    weights = rng.choice([-127, 127], taps) if extreme else rng.integers(-127, 128, taps)
    bias = int(rng.choice([-1, 0, 1]) * 2 ** rng.uniform(0, 31))
    if rng.random() < 0.1:
        bias = int(rng.choice([-(1 << 31), (1 << 31) - 1]))
    result = random_scale(rng, rng.uniform(-30, 30))
    source = random_scale(rng, rng.uniform(-60, 60))
    factor = random_scale(rng, rng.uniform(-45, 31))
    with np.errstate(over="ignore", under="ignore"):
        weight = float(np.float32(factor * result / source))
    if not (np.isfinite(weight) and weight > 0):
        return None
    points = (int(rng.choice([-128, 0, 127, any_one])) for any_one in rng.integers(-128, 128, 2))
    tensors = {
        0: Tensor("x", (1, 1, 1, taps), DType.INT8, per_tensor(source, next(points))),
        1: Tensor("y", (1, 1, 1, 1), DType.INT8, per_tensor(result, next(points))),
    }
    zero = tensors[1].quantization.zero_point  # type: ignore[union-attr]
    clamps = (-128, 127), (zero, 127), (max(-128, zero - 3), min(127, zero + 5))
    clamp = clamps[int(rng.integers(3))]
    common = {
        "bias": np.array([np.clip(bias, -(1 << 31), (1 << 31) - 1)], np.int32),
        "weight_scales": (weight,),
        "activation": Activation.NONE,
        "clamp": clamp,
    }
    op: Conv2D | FullyConnected
    if rng.random() < 0.5:
        shaped = weights.reshape(1, 1, 1, taps).astype(np.int8)
        window = {"stride": (1, 1), "dilation": (1, 1), "padding": Padding()}
        op = Conv2D(0, [0], 1, weights=shaped, **window, **common)  # type: ignore[arg-type]
    else:
        flat = weights.reshape(1, taps).astype(np.int8)
        op = FullyConnected(0, [0], 1, weights=flat, **common)  # type: ignore[arg-type]
    graph = Graph("channel", tensors, [op], [0], [1])
    try:
        quantize_multiplier(source * weight / result)
        bounds = accumulator_bounds(graph, op, tensor_ranges(graph))
        if not is_defined(graph, op, bounds).all():
            return None
    except CelosiaError:
        return None
    return Channel(graph, int(bounds.low[0]), int(bounds.high[0]))


def reference(channel: Channel, sums: Int64Array) -> Int64Array:
    """What the reference's kernels make of accumulators."""
    op = channel.op
    x, y = (channel.graph.tensors[t].quantization for t in (0, 1))
    assert x is not None
    assert y is not None
    scales = x.scale, op.weight_scales, y.scale
    if isinstance(op, FullyConnected):
        factor = fully_connected_scales(*scales)
        found = requantize_fully_connected(sums[:, None], factor, y.zero_point, op.clamp)
    else:
        found = requantize(sums[:, None], *conv_multipliers(*scales), y.zero_point, op.clamp)
    return found[:, 0].astype(np.int64)


def hardware(channel: Channel, graph: Graph, sums: Int64Array) -> Int64Array:
    """What the accelerator makes of them, in as many operations as ``graph`` has."""
    context = Context(graph, CONFIG, Placement())
    zero = context.quantization(0).zero_point
    raw = sums - (int(channel.op.bias[0]) - zero * int(channel.op.weights.sum(dtype=np.int64)))
    values: dict[int, Int64Array] = {}
    for op in graph.ops:
        if isinstance(op, Conv2D | FullyConnected):
            found = of_weighted(context, op)
            multiplier, shift, tie = normalized(found.entries, CONFIG)
            constants = multiplier, CONFIG.least_shift + shift, tie << CONFIG.multiplier_bits - 1
            biased = raw[:, None] + found.entries.bias
            assert np.abs(biased).max() <= 1 << 31
            clamp = found.low, found.high
            values[op.output] = first_pass(biased, constants, found.zero_point, clamp)[:, 0]
        elif isinstance(op, Lookup):
            values[op.output] = np.array(op.values)[values[op.inputs[0]] + 128]
        else:
            assert isinstance(op, Add)
            first, second, total = (context.quantization(t) for t in (*op.inputs, op.output))
            a, b = (values[tensor].astype(np.int8) for tensor in op.inputs)
            sums = add_operands(first, second, total)(a, b).astype(np.int64)
            values[op.output] = np.clip(sums, *op.clamp)
    return values[1]


def samples(channel: Channel, rng: np.random.Generator) -> Int64Array:
    """Accumulators on both sides of every step, the ends, and random ones between."""
    low, high = channel.low, channel.high
    levels = np.arange(channel.op.clamp[0] + 1, channel.op.clamp[1] + 1)
    before, reached = np.full(len(levels), low - 1), np.full(len(levels), high + 1)
    while np.any(reached - before > 1):
        middle = (before + reached) // 2
        good = reference(channel, np.clip(middle, low, high)) >= levels
        reached = np.where(good, middle, reached)
        before = np.where(good, before, middle)
    drawn = rng.integers(low, high, 200, endpoint=True)
    return np.unique(np.clip(np.concatenate([before, reached, drawn, [low, high]]), low, high))


def outcome(channel: Channel, rng: np.random.Generator) -> str:
    """In how many operations ``channel`` is computed, or what is wrong."""
    graph, _ = split_roundings.apply(channel.graph)
    parts = sum(isinstance(op, Conv2D | FullyConnected) for op in graph.ops)
    sums = samples(channel, rng)
    try:
        found = hardware(channel, graph, sums)
    except CelosiaError as error:
        click.echo(f"{error}: {channel.graph}")
        return "refused"
    return f"parts {parts}" if np.array_equal(found, reference(channel, sums)) else "wrong"


@click.command()
@click.option("--channels", "count", default=20_000, show_default=True, help="How many.")
def main(*, count: int) -> None:
    """Compile many channels; the exit code is 1 if one is refused or wrong."""
    rng = np.random.default_rng(0)
    results: Counter[str] = Counter()
    undefined = 0
    for _ in track(range(count), description="channels", transient=True):
        while (channel := draw(rng)) is None:
            undefined += 1
        results[f"{channel.op.kind} {outcome(channel, rng)}"] += 1
    record = {
        "date": datetime.date.today().isoformat(),
        "command": f"python -m benchmarks.channels --channels {count}",
        "channels": count,
        "drawn_but_undefined_in_the_reference": undefined,
        "results": dict(sorted(results.items())),
    }
    text = json.dumps(record, indent=2)
    RESULT.write_text(text + "\n")
    click.echo(text)
    if any("refused" in name or "wrong" in name for name in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
