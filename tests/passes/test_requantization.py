# SPDX-License-Identifier: BSD-2-Clause
"""The hardware's single rounding against the reference, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celosia.arithmetic.fixed_point import conv_multipliers, requantize
from celosia.arithmetic.fully_connected import fully_connected_scales, requantize_fully_connected
from celosia.graph.ir import Activation, FullyConnected, Function, Graph, Table, result_quantization
from celosia.importer.tflite import load_tflite
from celosia.passes import fuse_table, lower_functions, optimize
from celosia.passes.accumulators import Interval, WeightedOp
from celosia.passes.ranges import accumulator_bounds, tensor_ranges
from celosia.passes.requantization import result_bounds, single_rounding
from celosia.passes.rewrite import has_weights, result_clamp

#: Bits of the multiplier that each benchmark model needs, and of its accumulators.
BITS = {
    "ad01_int8": (25, 22),
    "kws_ref_model": (27, 21),
    "person_detect": (29, 23),
    "pretrainedResnet_quant": (26, 23),
    "str_ww_ref_model": (26, 21),
    "vww_96_int8": (28, 21),
}


def reference(graph: Graph, op: WeightedOp, accumulators: Any) -> Any:
    source, result = graph.tensors[op.inputs[0]].quantization, result_quantization(graph, op)
    assert source is not None
    assert result is not None
    arguments = source.scale, op.weight_scales, result.scale
    clamp = result_clamp(graph, op)
    if isinstance(op, FullyConnected):
        scales = fully_connected_scales(*arguments)
        return requantize_fully_connected(accumulators, scales, result.zero_point, clamp)
    return requantize(accumulators, *conv_multipliers(*arguments), result.zero_point, clamp)


def samples(rng: np.random.Generator, bounds: Interval, steps: Any = None) -> Any:
    """Accumulators within bounds: both ends, the middle, around zero, random ones."""
    random = rng.integers(bounds.low, bounds.high + 1, (3000, len(bounds.low)))
    near = np.clip(np.arange(-400, 401)[:, np.newaxis], bounds.low, bounds.high)
    return np.concatenate([bounds.low[None], bounds.high[None], near, random])


@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense", "scaled"])
@pytest.mark.parametrize("activation", [Activation.NONE, Activation.RELU, Activation.RELU6])
def test_layers(network: Any, kind: str, activation: Activation) -> None:
    for seed in range(6):
        net = network(seed)
        x = net.input(1, 5, 5, 6)
        if kind == "conv":
            net.conv(x, 9, (3, 3), activation=activation, dead=(2,))
        elif kind == "depthwise":
            net.depthwise(x, multiplier=2, activation=activation)
        else:
            net.dense(x, 9, activation=activation, dead=(2,))
        graph = net.finish(net.graph.ops[-1].output)
        (op,) = graph.ops
        assert has_weights(op)
        if kind == "scaled":  # exact powers of two: halves occur all the time
            source, result = (graph.tensors[key].quantization for key in (x, op.output))
            assert source is not None
            assert result is not None
            factor = result.scale / source.scale
            op.weight_scales = tuple(factor * 2.0**-n for n in range(3, 12))
        bounds = accumulator_bounds(graph, op, tensor_ranges(graph))
        found = single_rounding(graph, op, bounds)
        assert found is not None
        values = samples(net.rng, bounds)
        np.testing.assert_array_equal(found.apply(values), reference(graph, op, values))
        limits = result_bounds(graph, op, bounds)
        results = reference(graph, op, values).astype(np.int64)
        low, high = result_clamp(graph, op)
        assert (np.clip(limits.low, low, high) == results.min(axis=0)).all()
        assert (np.clip(limits.high, low, high) == results.max(axis=0)).all()


def test_the_result_in_front_of_an_epilogue_counts(network: Any) -> None:
    net = network(3)
    x = net.function(net.conv(net.input(1, 5, 5, 6), 4), Function.LOGISTIC)
    graph = fuse_table.apply(lower_functions.apply(net.finish(x))[0])[0]
    (op,) = graph.ops
    assert has_weights(op)
    assert isinstance(op.epilogue, Table)
    bounds = accumulator_bounds(graph, op, tensor_ranges(graph))
    found = single_rounding(graph, op, bounds)
    assert found is not None
    assert op.epilogue.inner is not None
    assert found.zero_point == op.epilogue.inner.zero_point
    values = samples(net.rng, bounds)
    np.testing.assert_array_equal(found.apply(values), reference(graph, op, values))


@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_overflow_has_no_constants(network: Any, kind: str) -> None:
    net = network(4)
    x = net.input(1, 1, 1, 6)
    y = net.conv(x, 4) if kind == "conv" else net.dense(x, 4)
    graph = net.finish(y)
    (op,) = graph.ops
    assert has_weights(op)
    bounds = accumulator_bounds(graph, op, tensor_ranges(graph))
    assert single_rounding(graph, op, bounds) is not None
    op.weight_scales = (1e6, *op.weight_scales[1:])
    assert single_rounding(graph, op, bounds) is None
    limits = result_bounds(graph, op, bounds)
    assert (limits.low[0], limits.high[0]) == (-128, 127)
    op.weight_scales = (1e-9, *op.weight_scales[1:])
    assert single_rounding(graph, op, bounds) is not None
    wide = Interval(bounds.low, bounds.high + (1 << 31))  # the sum itself overflows
    assert single_rounding(graph, op, wide) is None


@pytest.mark.parametrize("name", sorted(BITS))
def test_benchmark_models(
    mlperf_tiny: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    graph = optimize(load_tflite(mlperf_tiny / "models" / f"{name}.tflite"))
    ranges = tensor_ranges(graph)
    rng = np.random.default_rng(0)
    bits: list[int] = []
    accumulator_bits = 0
    for op in graph.ops:
        if not has_weights(op):
            continue
        bounds = accumulator_bounds(graph, op, ranges)
        found = single_rounding(graph, op, bounds)
        assert found is not None
        bits += [int(multiplier).bit_length() for multiplier in found.multiplier]
        reach = max(int(bounds.high.max()), -int(bounds.low.min()) - 1)
        accumulator_bits = max(accumulator_bits, reach.bit_length() + 1)
        values = samples(rng, bounds)
        np.testing.assert_array_equal(found.apply(values), reference(graph, op, values))
    distribution = np.bincount(bits).tolist()
    record_property("multiplier_bits", distribution)
    print(f"{name}: channels by bits of the multiplier {distribution}")
    assert (max(bits), accumulator_bits) == BITS[name]
