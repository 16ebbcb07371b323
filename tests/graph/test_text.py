# SPDX-License-Identifier: BSD-2-Clause
"""The text of a graph is stable, and tells graphs apart."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celosia.graph.ir import Activation, Graph, Padding, Quantization, Table
from celosia.graph.text import to_text


def test_golden(graph: Graph, golden: Callable[[str, str], None]) -> None:
    golden("all.txt", to_text(graph))


def test_is_stable(graph: Graph) -> None:
    assert to_text(copy.deepcopy(graph)) == to_text(graph)


def test_memory_layout_does_not_show(graph: Graph) -> None:
    text = to_text(graph)
    conv: Any = graph.ops[1]
    conv.weights = np.asfortranarray(conv.weights)
    conv.bias = conv.bias.astype(">i4")
    assert to_text(graph) == text


@pytest.mark.parametrize(
    ("index", "fields"),
    [
        (1, {"bias": np.zeros(4, np.int32)}),
        (1, {"weight_scales": (0.1, 0.2, 0.3, 0.5)}),
        (1, {"padding": Padding(1, 1, 2, 0)}),
        (1, {"activation": Activation.RELU}),
        (1, {"clamp": (-128, 126)}),
        (2, {"epilogue": Table((0,) * 256)}),
        (2, {"weight_scales": (0.125,) * 7 + (0.25,)}),
        (6, {"alpha": 0.1 + 1e-12}),
        (11, {"per_channel": True}),
        (12, {"values": (0,) * 256}),
        (14, {"beta": 1.0}),
    ],
)
def test_differs(index: int, fields: dict[str, Any], graph: Graph) -> None:
    text = to_text(graph)
    graph.ops[index] = dataclasses.replace(graph.ops[index], **fields)
    assert to_text(graph) != text


def test_tensors_differ(graph: Graph) -> None:
    text = to_text(graph)
    graph.tensors[100].data = np.zeros(8, np.int8)
    changed = to_text(graph)
    graph.tensors[3].quantization = Quantization((0.25,), (8,))
    assert len({text, changed, to_text(graph)}) == 3


def test_line_breaks_in_names(graph: Graph) -> None:
    lines = to_text(graph).count("\n")
    graph.tensors[3].name = 'a\n"b"'
    assert to_text(graph).count("\n") == lines
