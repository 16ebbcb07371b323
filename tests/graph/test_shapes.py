# SPDX-License-Identifier: BSD-2-Clause
"""Windows and padding against a count by hand, and against TensorFlow Lite."""

from __future__ import annotations

import numpy as np
import pytest

from celosia.graph.shapes import (
    ShapeError,
    broadcasts_to,
    reach,
    same_padding,
    window_positions,
)


def positions_by_hand(size: int, window: int, stride: int, dilation: int) -> int:
    """Starts of a window all of whose taps lie within ``size`` rows."""
    return sum(1 for start in range(0, size, stride) if start + (window - 1) * dilation <= size - 1)


def test_valid() -> None:
    for size in range(1, 12):
        for window in range(1, 6):
            for stride in range(1, 5):
                for dilation in range(1, 4):
                    wanted = positions_by_hand(size, window, stride, dilation)
                    if wanted:
                        found = window_positions(size, window, stride, dilation, 0, 0)
                        assert found == wanted
                    else:
                        with pytest.raises(ShapeError, match="does not fit"):
                            window_positions(size, window, stride, dilation, 0, 0)


def test_same() -> None:
    """ceil(size / stride) positions, the padding as even as can be, one more after."""
    for size in range(1, 12):
        for window in range(1, 6):
            for stride in range(1, 5):
                for dilation in range(1, 4):
                    before, after = same_padding(size, window, stride, dilation)
                    assert 0 <= before <= after <= before + 1
                    found = window_positions(size, window, stride, dilation, before, after)
                    assert found == -(-size // stride)
                    if before + after:
                        # No row more than the last position needs.
                        assert (found - 1) * stride + reach(window, dilation) == (
                            before + size + after
                        )


def test_broadcast_is_numpys() -> None:
    shapes = [(), (1,), (3,), (2, 3), (2, 1), (1, 3), (4, 2, 3), (3, 2), (1, 1, 1)]
    for shape in shapes:
        for target in shapes:
            try:
                wanted = np.broadcast_shapes(shape, target) == target
            except ValueError:
                wanted = False
            assert broadcasts_to(shape, target) is wanted


def test_against_litert() -> None:
    """The reference infers the same result shapes."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    from celosia_sim.tflite_writer import ModelBuilder, per_tensor

    builder = ModelBuilder()
    x = builder.input("x", (1, 11, 7, 1), per_tensor(0.5))
    expected = []
    random = np.random.default_rng(1)
    for _ in range(40):
        window, stride, dilation = (tuple(random.integers(1, 4, 2).tolist()) for _ in range(3))
        result = builder.depthwise_conv_2d(
            x,
            np.ones((1, *window, 1), np.int8),
            np.zeros(1, np.int32),
            per_tensor(0.01),
            per_tensor(0.5),
            stride=stride,
            dilation=dilation,
            padding="SAME",
        )
        rows, columns = (
            window_positions(
                size,
                window[axis],
                stride[axis],
                dilation[axis],
                *same_padding(size, window[axis], stride[axis], dilation[axis]),
            )
            for axis, size in enumerate((11, 7))
        )
        builder.output(result)
        expected.append((1, rows, columns, 1))
    model = interpreter.Interpreter(
        model_content=builder.build(),
        experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_REF,
    )
    model.allocate_tensors()
    assert [tuple(o["shape"].tolist()) for o in model.get_output_details()] == expected
