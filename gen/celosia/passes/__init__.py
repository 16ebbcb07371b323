# SPDX-License-Identifier: BSD-2-Clause
"""Passes on the quantized graph: each keeps every byte of the graph's outputs.

A pass is a module with ``apply(graph) -> (graph, changed)``, which leaves its argument alone.
"""

from celosia.passes.pipeline import optimize

__all__ = ["optimize"]
