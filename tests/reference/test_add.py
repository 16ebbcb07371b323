# SPDX-License-Identifier: BSD-2-Clause
"""ADD against LiteRT on all 65,536 pairs of operands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from celosia.arithmetic.add import add_operands
from celosia.errors import ModelError
from celosia.graph.ir import Activation, Quantization
from celosia_sim.tflite_writer import ModelBuilder, per_tensor

FIRST = np.repeat(np.arange(-128, 128), 256).astype(np.int8)[None]
SECOND = np.tile(np.arange(-128, 128), 256).astype(np.int8)[None]

CASES = [
    # equal scales, exact ties in the sum
    (per_tensor(0.5, 0), per_tensor(0.5, 0), per_tensor(1.0, 0)),
    (per_tensor(0.5, 3), per_tensor(0.5, -7), per_tensor(2.0, 1)),
    (per_tensor(0.25, -128), per_tensor(0.5, 127), per_tensor(0.5, -1)),
    (per_tensor(0.5, 127), per_tensor(0.5, 127), per_tensor(0.5, -128)),
    # residuals of a trained network
    (per_tensor(0.039394, -128), per_tensor(0.10419, 4), per_tensor(0.050946, -128)),
    (per_tensor(0.0838, 38), per_tensor(0.21724, -2), per_tensor(0.12707, -128)),
    # one operand vanishes, the sum saturates, the output vanishes
    (per_tensor(2.0**-20, 5), per_tensor(4.0, -9), per_tensor(3.7, 11)),
    (per_tensor(1.0, 0), per_tensor(0.9, 0), per_tensor(2.0**-17, 0)),
    (per_tensor(1e-4, 0), per_tensor(3e-4, 0), per_tensor(1e3, 77)),
    (per_tensor(2.0**-40, 0), per_tensor(2.0**-41, 0), per_tensor(2.0**-40, 0)),
    # the ends of what the reference accepts
    (per_tensor(1.0, 4), per_tensor(1.0, -4), per_tensor(2.0**-19 * (1 + 2.0**-23), 9)),
    (per_tensor(1.0, 4), per_tensor(2.0**-149, -4), per_tensor(2.0**107, 9)),
]


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("activation", Activation)
def test_every_sum_equals_litert(
    litert: Callable[..., np.ndarray], case: int, activation: Activation
) -> None:
    first, second, output = CASES[case]
    if output.scale < 2.0**-28 and activation in (Activation.RELU6, Activation.RELU_N1_TO_1):
        with pytest.raises(ModelError, match="is too small"):
            add_operands(first, second, output, activation)
        return
    model = ModelBuilder()
    a = model.input("a", FIRST.shape, first)
    b = model.constant("b", SECOND, second)
    wanted = litert(model, model.add(a, b, output, activation=activation), FIRST)
    found = add_operands(first, second, output, activation).outputs()
    np.testing.assert_array_equal(found.ravel(), wanted[0])


def test_tables_and_call_agree(rng: np.random.Generator) -> None:
    add = add_operands(*CASES[4], Activation.RELU)
    a, b = rng.integers(-128, 128, (2, 5, 7)).astype(np.int8)
    wanted = add.outputs()[a.astype(int) + 128, b.astype(int) + 128]
    np.testing.assert_array_equal(add(a, b), wanted)
    np.testing.assert_array_equal(add(a, b[:1]), add(a, np.repeat(b[:1], 5, axis=0)))
    assert max(np.abs(add.first).max(), np.abs(add.second).max()) < 1 << 27


def test_output_scale_too_small() -> None:
    tiny = Quantization((2.0**-19,), (0,))
    with pytest.raises(ModelError, match=r"ratio below 2\^19"):
        add_operands(per_tensor(1.0), per_tensor(0.1), tiny)
    add_operands(per_tensor(0.99), per_tensor(0.1), tiny)


def test_output_scale_too_large() -> None:
    """The reference's float32 product of 2^20 and the scale overflows."""
    add_operands(per_tensor(1.0), per_tensor(0.1), per_tensor(2.0**107))
    with pytest.raises(ModelError, match="the reference demands"):
        add_operands(per_tensor(1.0), per_tensor(0.1), per_tensor(2.0**108))
