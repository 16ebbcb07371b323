# SPDX-License-Identifier: BSD-2-Clause
"""Synthesis leaves the primitives that each wrapper is made of, and no more logic than that."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from amaranth.back import verilog
from amaranth.lib import wiring

from celosia.toolchain.execute import run_checked
from celosia.toolchain.synthesize import SYNTHESIS
from celosia.toolchain.tools import find_tool
from celosia_hw.primitives import Technology
from celosia_hw.primitives.block_ram import BlockRam
from celosia_hw.primitives.fabric import FabricMultiplier
from celosia_hw.primitives.mac16 import DualMultiplier
from celosia_hw.primitives.mult18 import Multiplier18, PairMultiplier
from celosia_hw.primitives.spram import SinglePortRam
from celosia_sim.rtl.side_by_side import Group

#: Cells that are not logic.
NOTES = {"$scopeinfo"}

Cells = Counter[str]


def cells(components: dict[str, wiring.Component], family: str, folder: Path) -> dict[str, Cells]:
    """What each component consists of after synthesis."""
    group = Group(components)
    text = verilog.convert(group, name="top", platform=Technology(family), emit_src=False)
    (folder / "top.v").write_text(text)
    script = ["read_verilog top.v"]
    for name in components:
        # Each by itself, from the same sources.
        script += [
            "design -push-copy",
            *(command.format(top=f"top.{name}") for command in SYNTHESIS[family]),
            f"write_json {name}.json",
            "design -pop",
        ]
    (folder / "synthesize.ys").write_text("\n".join(script) + "\n")
    run_checked(find_tool("yosys"), ["-s", "synthesize.ys"], folder=folder, log="yosys.log")
    found = {}
    for name in components:
        module = json.loads((folder / f"{name}.json").read_text())["modules"][f"top.{name}"]
        types = Counter(cell["type"] for cell in module["cells"].values())
        found[name] = Counter({kind: count for kind, count in types.items() if kind not in NOTES})
    return found


def test_ice40(tmp_path: Path) -> None:
    found = cells(
        {
            "mac16": DualMultiplier(),
            "bank": SinglePortRam(depth=16384, width=4),
            "weights": BlockRam(depth=512, width=128, granularity=32),
            "shared": BlockRam(depth=256, width=32, granularity=8),
            "registered": BlockRam(depth=512, width=32, output_register=True),
            "fabric": FabricMultiplier(),
        },
        "ice40",
        tmp_path,
    )
    assert found["mac16"] == {"SB_MAC16": 1}
    assert found["bank"] == {"SB_SPRAM256KA": 2}
    assert found["weights"] == {"SB_RAM40_4K": 16}
    # Masks are active low.
    assert found["shared"] == {"SB_RAM40_4K": 2, "SB_LUT4": 4}
    assert found["registered"] == {"SB_RAM40_4K": 4, "SB_DFFE": 32}
    fabric = found["fabric"]
    assert fabric["SB_LUT4"] <= 86
    # The partial products: zeros are made by their resets, not by logic.
    assert fabric["SB_DFFESR"] == 40
    assert set(fabric) == {"SB_LUT4", "SB_CARRY", "SB_DFFE", "SB_DFFESR"}


def test_ecp5(tmp_path: Path) -> None:
    found = cells(
        {
            "mult18": Multiplier18(),
            "pair": PairMultiplier(),
            "weights": BlockRam(depth=512, width=128, granularity=32, output_register=True),
            "deep": BlockRam(depth=16384, width=16, granularity=8),
            "fabric": FabricMultiplier(),
        },
        "ecp5",
        tmp_path,
    )
    assert found["mult18"] == {"MULT18X18D": 1}
    assert found["pair"]["MULT18X18D"] == 1
    # A CCU2C takes the place of two LUTs.
    assert found["pair"]["LUT4"] + 2 * found["pair"]["CCU2C"] <= 50
    assert found["weights"] == {"DP16KD": 4}
    assert found["deep"] == {"DP16KD": 16}
    fabric = found["fabric"]
    assert fabric["LUT4"] + 2 * fabric["CCU2C"] <= 92
    assert set(fabric) == {"LUT4", "CCU2C", "TRELLIS_FF"}
