# SPDX-License-Identifier: BSD-2-Clause
"""MACs counted by running the loops; weights and dead channels counted one by one."""

from __future__ import annotations

from typing import Any

from celosia.graph.ir import Graph
from celosia.graph.statistics import statistics


def test_macs(graph: Graph) -> None:
    rows = {row.index: row for row in statistics(graph)}
    # 3 x 6 positions of 4 channels with 3 x 2 x 2 weights; 2 x 6 of 8 with 3 x 2; 5 with 18.
    assert rows[1].macs == 3 * 6 * 4 * (3 * 2 * 2)
    assert rows[2].macs == 2 * 6 * 8 * (3 * 2)
    assert rows[11].macs == 5 * 18
    assert sum(row.macs for row in rows.values()) == rows[1].macs + rows[2].macs + rows[11].macs
    assert [rows[index].weight_bytes for index in (1, 2, 11)] == [48, 48, 90]
    assert [rows[index].bias_bytes for index in (1, 2, 11)] == [16, 32, 20]
    assert [rows[index].channels for index in (1, 2, 11)] == [4, 8, 5]
    assert rows[8].output_elements == 3 * 6 * 18


def test_zero_weights_and_dead_channels(graph: Graph) -> None:
    conv: Any = graph.ops[1]
    depthwise: Any = graph.ops[2]
    conv.weights = conv.weights.copy()
    conv.weights[conv.weights == 0] = 1
    conv.weights[2] = 0
    conv.weights[1, 0, 0, 0] = 0
    depthwise.weights[:] = 1
    depthwise.weights[:, :, [0, 3, 7]] = 0
    rows = statistics(graph)
    assert (rows[1].zero_weights, rows[1].dead_channels) == (13, 1)
    assert (rows[2].zero_weights, rows[2].dead_channels) == (18, 3)
