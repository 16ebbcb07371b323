# SPDX-License-Identifier: BSD-2-Clause
"""Tables of functions against LiteRT, all 256 inputs at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from celosia.arithmetic.functions import function_table
from celosia.errors import ModelError
from celosia.graph.ir import DType, Function, Quantization
from celosia_sim.tflite_writer import ModelBuilder, per_tensor

EVERY_INT8 = np.arange(-128, 128).astype(np.int8)[None]
CASES = 12


def append(
    model: ModelBuilder, function: Function, x: int, output: Quantization, alpha: float
) -> int:
    match function:
        case Function.LOGISTIC:
            return model.logistic(x)
        case Function.TANH:
            return model.tanh(x)
        case Function.LEAKY_RELU:
            return model.leaky_relu(x, output, alpha=alpha)
        case Function.REQUANTIZE:
            return model.quantize(x, output)
        case Function.RELU:
            return model.relu(x, output)
        case Function.RELU6:
            return model.relu6(x, output)
        case Function.RELU_N1_TO_1:
            return model.relu_n1_to_1(x, output)
        case Function.HARD_SWISH:
            return model.hard_swish(x, output)


@pytest.mark.parametrize("case", range(CASES))
@pytest.mark.parametrize("function", Function)
def test_tables_equal_litert(
    litert: Callable[..., np.ndarray], function: Function, case: int
) -> None:
    rng = np.random.default_rng([case, len(function.value)])
    zero_points = [-128, 127, 0, *rng.integers(-128, 128, 3)]
    source = per_tensor(2.0 ** rng.uniform(-16, 4), int(rng.choice(zero_points)))
    # Powers of two make exact ties.
    exponent = rng.uniform(-6, 6)
    factor = 2.0 ** (np.round(exponent) if case % 2 else exponent)
    output = per_tensor(source.scale * factor, int(rng.choice(zero_points)))
    alpha = float(np.float32([0.1, 0.5, 1.5, -0.25][case % 4]))

    model = ModelBuilder()
    x = model.input("x", (1, 256), source)
    result = append(model, function, x, output, alpha)
    output = model.quantization(result) or output
    wanted = litert(model, result, EVERY_INT8)[0]
    table = function_table(function, source, output, alpha=alpha)
    assert table.dtype == np.int8
    np.testing.assert_array_equal(table, wanted)


@pytest.mark.parametrize("factor_exponent", [-30, -22, -17, -16, -15, -10])
def test_hard_swish_at_extreme_scales(
    litert: Callable[..., np.ndarray], factor_exponent: int
) -> None:
    """The kernel's 16-bit division overflows its mask for large exponents."""
    for scale in (2.0**-20, 0.004, 3.0, 2.0**12):
        source, output = per_tensor(scale, 9), per_tensor(scale * 2.0**-factor_exponent, -4)
        model = ModelBuilder()
        result = model.hard_swish(model.input("x", (1, 256), source), output)
        wanted = litert(model, result, EVERY_INT8)[0]
        table = function_table(Function.HARD_SWISH, source, output)
        np.testing.assert_array_equal(table, wanted)


@pytest.mark.parametrize("zero_points", [(0, -128), (255, 127), (128, 0), (131, -97), (3, 120)])
@pytest.mark.parametrize("factor", [1.0, 0.25, 1.7])
@pytest.mark.parametrize("from_uint8", [False, True])
def test_changes_between_uint8_and_int8(
    litert: Callable[..., np.ndarray],
    zero_points: tuple[int, int],
    factor: float,
    from_uint8: bool,
) -> None:
    unsigned, signed = per_tensor(0.02, zero_points[0]), per_tensor(0.02 * factor, zero_points[1])
    model = ModelBuilder()
    if from_uint8:
        result = model.quantize(model.input("x", (1, 256), unsigned, DType.UINT8), signed)
        x: np.ndarray = np.arange(256).astype(np.uint8)[None]
        arguments, types = (unsigned, signed), (DType.UINT8, DType.INT8)
    else:
        result = model.quantize(model.input("x", (1, 256), signed), unsigned, DType.UINT8)
        x, arguments, types = EVERY_INT8, (signed, unsigned), (DType.INT8, DType.UINT8)
    wanted = litert(model, result, x)[0]
    table = function_table(
        Function.REQUANTIZE, *arguments, input_dtype=types[0], output_dtype=types[1]
    )
    assert table.dtype == types[1].numpy
    np.testing.assert_array_equal(table, wanted)


def ratios_that_differ() -> tuple[Quantization, Quantization]:
    """Scales whose quotients in single and double precision give different tables."""
    rng = np.random.default_rng(5)
    while True:
        source, output = (per_tensor(2.0 ** rng.uniform(-9, -8.5), 100) for _ in range(2))
        output = Quantization(output.scales, (-28,))
        # RELU clamps only what is negative; QUANTIZE differs in the quotient's precision alone.
        relu = function_table(Function.RELU, source, output)
        quantize = np.maximum(function_table(Function.REQUANTIZE, source, output), -28)
        if not np.array_equal(relu, quantize):
            return source, output


def test_relu_divides_scales_in_single_precision(litert: Callable[..., np.ndarray]) -> None:
    source, output = ratios_that_differ()
    for function in (Function.RELU, Function.REQUANTIZE):
        model = ModelBuilder()
        result = append(model, function, model.input("x", (1, 256), source), output, 0.0)
        wanted = litert(model, result, EVERY_INT8)[0]
        np.testing.assert_array_equal(function_table(function, source, output), wanted)


def test_hard_swish_refuses_what_the_reference_refuses() -> None:
    with pytest.raises(ModelError, match="ratio below 128"):
        function_table(Function.HARD_SWISH, per_tensor(1.28), per_tensor(0.01))
