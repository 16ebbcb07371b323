# SPDX-License-Identifier: BSD-2-Clause
"""BlockRam: blocks of each family, the twin, and a model of the contents agree."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.primitives import FAMILIES
from celosia_hw.primitives.block_ram import BlockRam, tiling
from celosia_sim.rtl.block import start_bench
from celosia_sim.rtl.memory_traffic import TwoPortTraffic
from celosia_sim.rtl.side_by_side import Group, SideBySide

CYCLES = 600
#: Depth, width, granularity, output register: rows and columns of blocks, blocks that granules
#: share, granules that need several, words that leave some of a block unused.
SHAPES = {
    "few": (16, 32, 32, False),
    "shared": (300, 24, 8, True),
    "rows": (2100, 16, 8, False),
    "rows_registered": (2100, 16, 8, True),
    "narrow": (3000, 3, 3, False),
    "odd": (100, 30, 10, True),
}
#: Blocks that each of them takes.
BLOCKS = {
    "ice40": {"few": 2, "shared": 3, "rows": 9, "rows_registered": 9, "narrow": 3, "odd": 2},
    "ecp5": {"few": 1, "shared": 1, "rows": 3, "rows_registered": 3, "narrow": 1, "odd": 2},
}


def rams() -> dict[str, BlockRam]:
    return {
        name: BlockRam(
            depth=depth, width=width, granularity=granularity, output_register=registered
        )
        for name, (depth, width, granularity, registered) in SHAPES.items()
    }


def make(family: str) -> SideBySide:
    return SideBySide(Group(rams()), Group(rams()), family=family)


@pytest.mark.parametrize("family", FAMILIES)
def test_block_ram(run_block: Callable[..., None], family: str) -> None:
    run_block(make, family, family=family)


@cocotb.test()
async def all_agree(dut: Any) -> None:
    bench = await start_bench(dut, make, "traffic")
    agents = [
        TwoPortTraffic(
            bench,
            name,
            depth=ram.depth,
            granules=[ram.granularity] * (ram.width // ram.granularity),
        )
        for name, ram in rams().items()
    ]
    bench.agents.extend(agents)
    await bench.step(CYCLES)
    assert all(agent.compared > CYCLES // 3 for agent in agents)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", SHAPES)
def test_fewest_blocks(family: str, name: str) -> None:
    depth, width, granularity, _ = SHAPES[name]
    plan = tiling(family, depth=depth, width=width, granularity=granularity)
    assert plan.blocks == BLOCKS[family][name]


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_bad_shapes() -> None:
    with pytest.raises(ValueError, match="depth must be 2 or more, not 1"):
        BlockRam(depth=1, width=8)
    with pytest.raises(ValueError, match="granularity must divide width, 12, not be 8"):
        BlockRam(depth=16, width=12, granularity=8)
    gc.collect()
