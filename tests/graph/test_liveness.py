# SPDX-License-Identifier: BSD-2-Clause
"""Peaks of tensors in use, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from celosia.graph.ir import (
    Activation,
    Add,
    DType,
    Graph,
    MaxPool2D,
    Op,
    Padding,
    Quantization,
    ResidualAdd,
    Tensor,
)
from celosia.graph.liveness import peak_bytes

SAME = Quantization((0.5,), (0,))


def graph(sizes: list[int], ops: list[Op], outputs: list[int]) -> Graph:
    """Tensor n has sizes[n] bytes; tensor 0 is the input."""
    tensors = {n: Tensor(f"t{n}", (size,), DType.INT8, SAME) for n, size in enumerate(sizes)}
    return Graph("sizes", tensors, ops, [0], outputs)


def step(source: int, output: int, other: int | None = None) -> Op:
    op = MaxPool2D(output, [source], output, (1, 1), (1, 1), Padding(), Activation.NONE)
    if other is not None:
        op.epilogue = ResidualAdd(other, SAME, Activation.NONE, True, 9, "sum")
    return op


def test_a_chain_holds_two_tensors_at_once() -> None:
    assert peak_bytes(graph([5, 7, 11, 3], [step(0, 1), step(1, 2), step(2, 3)], [3])) == 18


@pytest.mark.parametrize(("outputs", "peak"), [([3], 11 + 3), ([1, 3], 7 + 11 + 3)])
def test_outputs_stay(outputs: list[int], peak: int) -> None:
    ops = [step(0, 1), step(1, 2), step(2, 3)]
    assert peak_bytes(graph([0, 7, 11, 3], ops, outputs)) == max(peak, 7 + 11)


def test_a_tensor_lives_until_its_last_reader() -> None:
    assert peak_bytes(graph([5, 7, 11, 3], [step(0, 1), step(1, 2), step(0, 3)], [3])) == 23
    assert peak_bytes(graph([5, 7, 11, 3], [step(0, 1), step(0, 3), step(1, 2)], [2])) == 18


def test_an_unread_result_needs_its_place_once() -> None:
    assert peak_bytes(graph([5, 70, 2, 4], [step(0, 1), step(0, 2), step(2, 3)], [3])) == 75


@pytest.mark.parametrize("fused", [False, True])
def test_a_sum_takes_the_place_of_an_operand(fused: bool) -> None:
    last = step(2, 3, other=1) if fused else Add(3, [1, 2], 3, activation=Activation.NONE)
    ops = [step(0, 1), step(1, 2), last]
    assert peak_bytes(graph([1, 8, 8, 8], ops, [3])) == 16
    assert peak_bytes(graph([1, 8, 8, 8], ops, [1, 2, 3])) == 24
    # Nothing else takes the place of what it reads.
    assert peak_bytes(graph([1, 8, 8, 8], [*ops[:2], step(2, 3)], [1, 3])) == 24


def test_constants_and_wide_elements() -> None:
    one = graph([4, 4, 4], [Add(0, [0, 1], 2, activation=Activation.NONE)], [2])
    one.tensors[1].data = np.zeros(4, np.int8)
    assert peak_bytes(one) == 4
    two = graph([4, 4], [step(0, 1)], [1])
    two.tensors[1].dtype = DType.FLOAT32
    assert peak_bytes(two) == 4 + 16
