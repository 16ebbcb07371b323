# SPDX-License-Identifier: BSD-2-Clause
"""Every rule of a well-formed graph can be broken, and is then told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celosia.graph.ir import (
    DType,
    Graph,
    Op,
    Padding,
    Quantization,
    ResidualAdd,
    Table,
    Tensor,
)
from celosia.graph.verify import GraphError, verify

Break = Callable[[Graph], None]

VALID = Quantization((0.5,), (0,))


def test_valid(graph: Graph) -> None:
    verify(graph)


def op(index: int, **fields: Any) -> Break:
    """Replaces fields of an operation."""

    def change(graph: Graph) -> None:
        graph.ops[index] = dataclasses.replace(graph.ops[index], **fields)

    return change


def tensor(index: int, **fields: Any) -> Break:
    """Replaces fields of a tensor."""

    def change(graph: Graph) -> None:
        graph.tensors[index] = dataclasses.replace(graph.tensors[index], **fields)

    return change


def ends(**fields: Any) -> Break:
    """Replaces the inputs or outputs of the graph."""

    def change(graph: Graph) -> None:
        for name, value in fields.items():
            setattr(graph, name, value)

    return change


def swap(first: int, second: int) -> Break:
    def change(graph: Graph) -> None:
        graph.ops[first], graph.ops[second] = graph.ops[second], graph.ops[first]

    return change


@dataclasses.dataclass
class Unknown(Op):
    """No operation of the IR."""


def weights(*shape: int, dtype: type = np.int8) -> Any:
    return np.ones(shape, dtype)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (tensor(3, shape=()), r"tensor 3 't3' has the shape \(\)"),
        (tensor(3, shape=(1, 0, 6, 8)), "has the shape"),
        (tensor(3, shape=(1, 2.0, 6, 8)), "has the shape"),
        (tensor(3, quantization=None), "tensor 3 't3' has the quantization None"),
        (tensor(3, quantization=Quantization((0.5, 0.5), (0, 0))), "has the quantization"),
        (tensor(3, quantization=Quantization((0.0,), (0,))), "has the quantization"),
        (tensor(3, quantization=Quantization((float("nan"),), (0,))), "has the quantization"),
        (tensor(3, quantization=Quantization((0.5,), (128,))), "has the quantization"),
        (tensor(3, dtype=DType.INT16), "has the element type INT16"),
        (tensor(16, quantization=VALID), "is FLOAT32 with a quantization"),
        (tensor(100, data=weights(9)), r"data of int8\[9\] instead of int8\[8\]"),
        (tensor(100, data=weights(8, dtype=np.uint8)), r"data of uint8\[8\] instead"),
        (ends(inputs=[]), "it has no input"),
        (ends(outputs=[]), "it has no output"),
        (ends(inputs=[0, 0]), "an input is named twice"),
        (ends(outputs=[99]), "output 99 is no tensor"),
        (ends(outputs=[100]), "output 100 is a constant"),
        (lambda graph: graph.ops.pop(), "output 16 is never computed"),
        (op(3, inputs=[99]), "operation 3 AveragePool2D reads 99, which is no tensor"),
        (swap(3, 4), "operation 4 MaxPool2D reads 4 before it is computed"),
        (op(3, inputs=[4]), "operation 3 AveragePool2D reads 4 before"),
        (op(3, output=3), "computes 3, which is computed already"),
        (op(3, output=99), "computes 99, which is no tensor"),
        (op(3, output=100), "computes 100, which is a constant"),
        (op(3, output=0), "computes 0, which is computed already"),
        (op(6, epilogue=ResidualAdd(99, VALID, None, True, 0, "")), "reads 99"),  # type: ignore[arg-type]
        (op(6, epilogue=ResidualAdd(8, VALID, None, True, 0, "")), "reads 8 before"),  # type: ignore[arg-type]
        (op(6, epilogue=ResidualAdd(2, VALID, None, True, 0, "")), "residual add is of shapes"),  # type: ignore[arg-type]
        (op(6, epilogue=ResidualAdd(3, VALID, None, True, 0, "")), "activation is None"),  # type: ignore[arg-type]
        (op(6, epilogue=ResidualAdd(0, VALID, None, True, 0, "")), "not of INT8 tensors"),  # type: ignore[arg-type]
        (
            op(6, epilogue=ResidualAdd(3, Quantization((-1.0,), (0,)), None, True, 0, "")),  # type: ignore[arg-type]
            "its own result has the quantization",
        ),
        (op(6, epilogue="table"), "its epilogue is 'table'"),
        (op(6, epilogue=Table((0,) * 255)), "table is not of 256 int8 values"),
        (op(6, epilogue=Table((128,) * 256)), "table is not of 256 int8 values"),
        (op(6, clamp=(-129, 0)), r"its clamp is \(-129, 0\)"),
        (op(6, clamp=(1, 0)), r"its clamp is \(1, 0\)"),
        (op(6, alpha=-1.0), r"alpha is -1\.0"),
        (op(6, function="relu"), "function is 'relu'"),
        (op(1, inputs=[1, 1]), "it has 2 inputs instead of 1"),
        (op(5, inputs=[5]), "it has 1 inputs instead of 2"),
        (op(7, inputs=[]), "it has no inputs"),
        (op(1, inputs=[0]), "its input 0 is FLOAT32"),
        (op(3, inputs=[100]), "its input 0 is a constant"),
        (op(15, output=15), "computes 15, which is computed already"),
        (tensor(1, dtype=DType.FLOAT32, quantization=None), "its result is FLOAT32"),
        (op(1, weights=weights(4, 3, 2)), r"weights are int8\[4, 3, 2\]"),
        (op(1, weights=weights(4, 3, 2, 2, dtype=np.int16)), "weights are int16"),
        (op(1, weights=weights(4, 3, 2, 0)), "weights are int8"),
        (op(1, weights=weights(4, 3, 2, 3)), "weights for 3 input channels do not go with"),
        (op(1, bias=np.ones(5, np.int32)), r"bias is int32\[5\] for 4 channels"),
        (op(1, bias=np.ones(4, np.float32)), r"bias is float32\[4\]"),
        (op(1, weight_scales=(0.5,)), "1 weight scales for 4 channels"),
        (op(1, weight_scales=(0.5, 1.0, 0.0, 1.0)), "a weight scale is no positive number"),
        (op(1, stride=(0, 1)), r"with stride \(0, 1\)"),
        (op(1, dilation=(1, -1)), r"dilation \(1, -1\)"),
        (op(1, padding=Padding(left=-1)), "its padding is"),
        (op(1, padding=Padding()), r"has the shape \(1, 3, 6, 4\) instead of \(1, 2, 4, 4\)"),
        (op(1, activation=None), "its activation is None"),
        (op(2, multiplier=3), "depth multiplier 3"),
        (op(2, multiplier=0), "its depth multiplier is 0"),
        (op(2, weights=weights(9, 2, 8)), "a window over 9 does not fit into 3"),
        (op(11, weights=weights(5, 7)), "does not divide into rows of 7"),
        (op(11, weight_scales=(0.1, 0.1, 0.1, 0.1, 0.2)), "weight scales differ, but it is not"),
        (tensor(5, quantization=VALID), "operation 4 MaxPool2D: its input and result differ"),
        (op(4, padding=Padding(2, 0, 0, 0)), "lies in the padding"),
        (op(4, window=(0, 2)), r"its window is \(0, 2\)"),
        (op(5, inputs=[5, 2]), "its inputs have the shapes"),
        (tensor(100, shape=(4,), data=weights(4)), r"\[4\] does not broadcast to"),
        (op(8, amounts=((0, 0), (-1, 2), (0, 0), (0, 2))), "its amounts are"),
        (op(8, amounts=((0, 0),)), "1 amounts of padding do not go with"),
        (tensor(9, quantization=VALID), "operation 8 Pad: its inputs and result differ"),
        (op(7, axis=4), "has no axis 4"),
        (op(7, axis=2), r"instead of \(1, 2, 12, 8\)"),
        (op(7, inputs=[7, 2]), "its inputs and result differ in quantization"),
        (tensor(7, quantization=VALID), "operation 7 Concatenation: its inputs and result"),
        (op(9, keep_dims=False), r"instead of \(1, 18\)"),
        (tensor(11, shape=(1, 17)), "differ in elements"),
        (op(14, beta=0.0), "beta is 0"),
        (tensor(15, quantization=VALID), "operation 14 Softmax: its result has the quant"),
        (tensor(14, quantization=VALID), "operation 13 Elementwise: its result has the quant"),
        (op(12, values=(0,) * 257), "table is not of 256 int8 values"),
        (
            lambda graph: graph.ops.__setitem__(12, Unknown(12, [12], 13)),
            "Unknown is no known operation",
        ),
    ],
)  # fmt: skip
def test_broken(change: Break, message: str, graph: Graph) -> None:
    change(graph)
    with pytest.raises(GraphError, match=message) as caught:
        verify(graph)
    assert str(caught.value).startswith("graph 'all': ")


def test_unknown_constant_operand(graph: Graph) -> None:
    """A constant may be a residual's other operand where it broadcasts."""
    graph.tensors[101] = Tensor("c", (8,), DType.INT8, VALID, weights(8))
    epilogue = graph.ops[6].epilogue  # type: ignore[attr-defined]
    op(6, epilogue=dataclasses.replace(epilogue, other=101))(graph)
    verify(graph)
