# SPDX-License-Identifier: BSD-2-Clause
"""Memory blocks: models that are not ours, the twins, and a model of their contents agree."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import cocotb
import pytest
from amaranth.lib import wiring

from celosia_hw.primitives.dp16kd import DEPTHS, Dp16kd
from celosia_hw.primitives.ebr import Ebr
from celosia_hw.primitives.spram import SinglePortRam, Spram
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.memory_traffic import OnePortTraffic, TwoPortTraffic
from celosia_sim.rtl.side_by_side import Group, SideBySide

CYCLES = 600
#: Of a SinglePortRam of two blocks, which it does not fill.
DEPTH = 3000


def components(kind: str) -> dict[str, wiring.Component]:
    if kind == "ebr":
        return {f"w{width}": Ebr(width=width) for width in (2, 4, 8, 16)}
    if kind == "dp16kd":
        return {
            f"{'r' if registered else 'w'}{width}": Dp16kd(width=width, output_register=registered)
            for width in DEPTHS
            for registered in (False, True)
        }
    return {"block": Spram(), "bank": SinglePortRam(depth=DEPTH, width=4)}


def make(kind: str, family: str) -> SideBySide:
    return SideBySide(Group(components(kind)), Group(components(kind)), family=family)


@pytest.mark.parametrize(("kind", "family"), [("ebr", "ice40"), ("dp16kd", "ecp5")])
def test_two_ports(run_block: Callable[..., None], kind: str, family: str) -> None:
    run_block(make, family, kind=kind, family=family)


def test_one_port(run_block: Callable[..., None]) -> None:
    run_block(make, "ice40", kind="spram", family="ice40")


def granules(width: int) -> list[int]:
    """Bits of a word that are written together: of an Ebr of 16 each one, of a Dp16kd 9."""
    if block_parameters()["kind"] == "ebr":
        return [1] * 16 if width == 16 else [width]
    return [9] * (width // 9) or [width]


@cocotb.test()
async def all_agree(dut: Any) -> None:
    kind = block_parameters()["kind"]
    bench = await start_bench(dut, make, "traffic")
    agents: list[OnePortTraffic | TwoPortTraffic] = []
    for name, component in components(kind).items():
        if isinstance(component, Spram | SinglePortRam):
            depth = DEPTH if name == "bank" else 1 << 14
            width = len(component.write_mask)
            agents.append(OnePortTraffic(bench, name, depth=depth, granules=[8] * width))
        else:
            sizes = granules(component.width)
            agents.append(TwoPortTraffic(bench, name, depth=component.depth, granules=sizes))
    bench.agents.extend(agents)
    await bench.step(CYCLES)
    assert all(agent.compared > CYCLES // 3 for agent in agents)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize("width", [0, 3, 32])
def test_no_such_width(width: int) -> None:
    with pytest.raises(ValueError, match=f"width must be .*, not {width}"):
        Ebr(width=width)
    with pytest.raises(ValueError, match=f"width must be one of .*, not {width}"):
        Dp16kd(width=width)
    gc.collect()
