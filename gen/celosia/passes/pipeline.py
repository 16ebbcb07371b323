# SPDX-License-Identifier: BSD-2-Clause
"""The order of the passes."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from celosia.graph.ir import Graph
from celosia.graph.verify import verify
from celosia.passes import (
    convert_depthwise,
    fold_constants,
    fuse_add,
    fuse_padding,
    fuse_table,
    lower_adds,
    lower_functions,
    lower_pools,
    merge_reshapes,
    narrow_clamps,
    remove_dead_channels,
    remove_identities,
    remove_unused,
    split_adds,
    split_roundings,
)

#: Repeated until none of them changes anything.
SIMPLIFY: tuple[ModuleType, ...] = (
    remove_unused,
    fold_constants,
    lower_functions,
    lower_adds,
    lower_pools,
    convert_depthwise,
    fuse_padding,
    merge_reshapes,
    remove_identities,
    fuse_table,
    narrow_clamps,
    remove_dead_channels,
)
#: Run once, after that. An addition takes its activation along, so it comes after the clamps.
FUSE: tuple[ModuleType, ...] = (split_roundings, split_adds, fuse_add, remove_unused)


def optimize(graph: Graph) -> Graph:
    """The simplest graph that computes the same bytes; ``graph`` itself does not change.

    Raises:
        ModelError: an operation has parameters for which the reference is not defined.
    """
    changed = True
    while changed:
        graph, changed = run(graph, SIMPLIFY)
    return run(graph, FUSE)[0]


def run(graph: Graph, passes: Sequence[ModuleType]) -> tuple[Graph, bool]:
    """Apply ``passes`` in order and verify the graph after each; whether any changed it."""
    verify(graph)
    any_changed = False
    for one in passes:
        graph, changed = one.apply(graph)
        any_changed |= changed
        try:
            verify(graph)
        except Exception as error:
            error.add_note(f"after the pass {one.__name__}")
            raise
    return graph, any_changed
