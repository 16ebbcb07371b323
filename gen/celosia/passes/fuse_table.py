# SPDX-License-Identifier: BSD-2-Clause
"""Move a Lookup into the operation that computes its input.

The table becomes the operation's epilogue. Where it does no more than clamp, the operation's own
clamp is narrowed instead; two Lookups become one.
"""

from __future__ import annotations

from collections.abc import Sequence

from celosia.graph.ir import (
    Add,
    ArrayOp,
    Elementwise,
    Graph,
    Lookup,
    ResidualAdd,
    Table,
    result_quantization,
)
from celosia.passes.rewrite import copied, result_clamp, same_quantization, sole_consumer


def apply(graph: Graph) -> tuple[Graph, bool]:
    """The graph in which a Lookup only follows what cannot take it: a tensor with other readers,
    an addition (unless the table clamps), or an operation that is none."""
    result = copied(graph)
    changed = False
    for lookup in [op for op in result.ops if isinstance(op, Lookup)]:
        producer = result.producer(lookup.inputs[0])
        if not isinstance(producer, ArrayOp) or isinstance(lookup.epilogue, ResidualAdd):
            continue
        if sole_consumer(result, producer.output) is lookup and _fuse(result, producer, lookup):
            producer.output = lookup.output
            result.ops = [op for op in result.ops if op is not lookup]
            changed = True
    return result, changed


def table_of(lookup: Lookup) -> tuple[int, ...]:
    """All that a Lookup does to its input, its clamp and table epilogue included."""
    low, high = lookup.clamp
    values = tuple(min(max(value, low), high) for value in lookup.values)
    return _then(values, lookup.epilogue.values) if isinstance(lookup.epilogue, Table) else values


def _fuse(graph: Graph, producer: ArrayOp, lookup: Lookup) -> bool:
    """Give ``producer`` what ``lookup`` does; False if that cannot be expressed."""
    values = table_of(lookup)
    name = graph.tensors[producer.output].name
    if isinstance(producer.epilogue, ResidualAdd) or isinstance(producer, Elementwise):
        return False  # an Elementwise that was not lowered reads another type
    if isinstance(producer, Lookup):
        producer.values = _then(table_of(producer), values)
        producer.clamp, producer.epilogue = (-128, 127), None
    elif isinstance(producer.epilogue, Table):
        inner, inner_name = producer.epilogue.inner, producer.epilogue.inner_name
        composed = _then(producer.epilogue.values, values)
        inner = inner or graph.tensors[producer.output].quantization
        producer.epilogue = Table(composed, inner, inner_name)
    else:
        reachable = result_clamp(graph, producer)
        clamp = _as_clamp(values, reachable)
        if clamp is not None and same_quantization(graph, producer.output, lookup.output):
            producer.clamp = clamp
        elif isinstance(producer, Add):
            return False  # an addition and a table are two passes over the data
        else:
            producer.epilogue = Table(values, result_quantization(graph, producer), name)
    return True


def _then(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...]:
    """The table that looks up the results of ``first`` in ``second``."""
    return tuple(second[value + 128] for value in first)


def _as_clamp(values: Sequence[int], reachable: tuple[int, int]) -> tuple[int, int] | None:
    """The clamp that ``values`` is on the reachable inputs, or None."""
    low, high = reachable
    images = values[low + 128 : high + 129]
    clamp = images[0], images[-1]
    expected = [min(max(value, clamp[0]), clamp[1]) for value in range(low, high + 1)]
    return clamp if clamp[0] <= clamp[1] and list(images) == expected else None
