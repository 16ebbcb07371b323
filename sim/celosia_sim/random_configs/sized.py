# SPDX-License-Identifier: BSD-2-Clause
"""The configurations that sizing returns, for every board and every array that it can have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from celosia.compiler.requirements import Widths
from celosia.compiler.sizing import size_config, standard_config
from celosia.errors import BoardError
from celosia.graph.ir import Graph
from celosia_hw.boards import Board, all_boards
from celosia_hw.config import ARRAY_SIZES, AcceleratorConfig

#: What a configuration has but for its memories and widths, which depend on the model.
_SHAPE = (
    "output_channels",
    "input_channels",
    "chain_rows",
    "scratch_single_port",
    "requantize_lanes",
    "multipliers",
)


@dataclass(frozen=True)
class SizedShape:
    """What ``size_config`` makes of a board and an array, for weights from ``least_weight`` on.

    ``config`` is what a model without particular needs gets.
    """

    board: Board
    array: tuple[int, int]
    least_weight: int
    config: AcceleratorConfig

    @property
    def name(self) -> str:
        lanes, products = self.config.requantize_lanes, self.config.multipliers
        return f"{self.config.name} {products}, {lanes} lanes: {self.board.name}"

    def config_for(self, graph: Graph, widths: Widths) -> AcceleratorConfig:
        """The configuration for a graph, and for others that need at most these widths.

        Raises:
            FitError: it does not fit the board.
        """
        sized = size_config(graph, self.board, self.array)
        return replace(
            sized,
            **{name: getattr(self.config, name) for name in _SHAPE},
            accumulator_bits=max(sized.accumulator_bits, widths.accumulator, widths.chain),
            chain_bits=max(sized.chain_bits, widths.chain),
            multiplier_bits=max(sized.multiplier_bits, widths.multiplier),
        )


@cache
def sized_shapes() -> tuple[SizedShape, ...]:
    """One of each: boards with the same device have the same."""
    found: dict[tuple[object, ...], SizedShape] = {}
    for board in all_boards():
        for rows in ARRAY_SIZES:
            for lanes in ARRAY_SIZES:
                for least_weight in (-127, -128):
                    array = (rows, lanes)
                    try:
                        config = standard_config(board, array, least_weight=least_weight)
                    except BoardError:
                        continue
                    shape = tuple(getattr(config, name) for name in _SHAPE)
                    key = (board.family, *shape)
                    found.setdefault(key, SizedShape(board, array, least_weight, config))
    return tuple(found.values())
