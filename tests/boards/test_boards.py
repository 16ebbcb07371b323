# SPDX-License-Identifier: BSD-2-Clause
"""Boards: their facts, how they are found, and what installed packages may add."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from celosia_hw.boards import Board, BoardError, MemoryKind, all_boards, get_board
from celosia_hw.boards.devices import ICE40_UP5K
from celosia_hw.boards.parts import Flash, Oscillator, Pin, Uart
from celosia_hw.boards.registry import BUILT_IN
from celosia_hw.config import AcceleratorConfig
from celosia_hw.top import board_sources


def test_boards_have_distinct_names_that_find_them() -> None:
    boards = all_boards()
    assert len({board.name for board in boards}) == len(boards)
    for board in boards:
        assert get_board(board.name) is board


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_a_board_says_is_what_amaranth_boards_says(name: str) -> None:
    pytest.importorskip("amaranth_boards")
    board = get_board(name)
    module, _, platform_name = board.platform.partition(":")
    assert module.startswith("amaranth_boards.")
    platform = getattr(importlib.import_module(module), platform_name)()
    assert board.device.name == platform.device
    assert board.package == platform.package
    assert board.speed == getattr(platform, "speed", "")
    assert platform.default_clk == board.oscillator.resource
    assert platform.default_clk_frequency == board.oscillator.mhz * 1e6
    if board.flash is not None and board.flash.resource is not None:
        platform.lookup(board.flash.resource)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_board_can_be_programmed(name: str) -> None:
    loader = get_board(name).loader
    assert loader.openfpgaloader or loader.iceprog or loader.command


def test_boards_are_listed_without_the_hardware_language() -> None:
    program = (
        "import sys; from celosia_hw.boards import all_boards; all_boards(); "
        "print([name for name in sys.modules if name.startswith('amaranth')])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_memories_hold_what_the_datasheets_say() -> None:
    up5k = {memory.kind: memory for memory in get_board("icebreaker").memories}
    assert up5k[MemoryKind.SPRAM].bytes == 128 * 1024
    assert up5k[MemoryKind.SPRAM].single_port
    assert up5k[MemoryKind.EBR].bytes == 30 * 512
    assert not up5k[MemoryKind.EBR].single_port
    (dp16kd,) = get_board("ulx3s_85f").memories
    assert (dp16kd.blocks, dp16kd.bytes) == (208, 208 * 2048)


@pytest.mark.parametrize("board", all_boards(), ids=lambda board: board.name)
def test_default_array_has_a_multiplier_for_each_product(board: Board) -> None:
    output_channels, input_channels = board.array
    assert output_channels * input_channels <= 2 * board.multipliers  # two products each


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("icebraker", "icebreaker"),
        ("ulx3s", "ulx3s_85f"),
        ("ULX3S-85F", "ulx3s_85f"),
        ("orangecrab", "orangecrab_25f"),
    ],
)
def test_an_unknown_board_names_similar_ones(name: str, suggested: str) -> None:
    with pytest.raises(BoardError, match=f"there is no board '{name}'; did you mean .*{suggested}"):
        get_board(name)


def test_a_board_like_no_other_names_all() -> None:
    with pytest.raises(BoardError, match="there is no board 'zzz'; known are icebreaker, upduino3"):
        get_board("zzz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"array": (3, 4)}, r"board 'mine': array must be two of \(2, 4, 8, 16\), not \(3, 4\)"),
        ({"array": (4, 4, 4)}, "array must be two of"),
        ({"clock_mhz": 0}, "clock_mhz must be from 0 to 1000, not 0"),
        ({"name": "My Board"}, "name must be lower-case letters, digits and underscores"),
        ({"platform": "mine.boards"}, "platform must be module:class, not 'mine.boards'"),
        ({"oscillator": Oscillator(resource="clk", mhz=0)}, "oscillator.mhz must be from 0 to"),
        (
            {"oscillator": Oscillator(resource="clk", mhz=12, tolerance=-0.1)},
            "oscillator.tolerance must be from 0 to 0.5, not -0.1",
        ),
        ({"uart": Uart(rx=Pin(name="A1"))}, "uart must be a resource of the platform, or both"),
        ({"flash": Flash(bytes=1 << 20, data_offset=1000)}, "flash.data_offset must be a multiple"),
        ({"flash": Flash(bytes=1 << 20, data_offset=1 << 21)}, "inside of the flash"),
    ],
)
def test_a_board_checks_its_attributes(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "name": "mine",
        "title": "Mine",
        "device": ICE40_UP5K,
        "package": "SG48",
        "clock_mhz": 24,
        "array": (4, 4),
        "platform": "mine.boards:Platform",
        "oscillator": Oscillator(resource="clk", mhz=12),
    }
    assert Board(**good).multipliers == 8  # type: ignore[arg-type]
    with pytest.raises(BoardError, match=message):
        Board(**{**good, **change})  # type: ignore[arg-type]


# --- boards of installed packages ----------------------------------------------------------------

MODULE = """
from amaranth.build import Attrs, Clock, Connector, Pins, PinsN, Resource
from amaranth.vendor import LatticeECP5Platform
from celosia_hw.boards import Board
from celosia_hw.boards.devices import LFE5U_45F
from celosia_hw.boards.parts import Led, Leds, Oscillator, Pin, Uart


class WorkbenchPlatform(LatticeECP5Platform):
    device = "LFE5U-45F"
    package = "BG381"
    speed = "7"
    default_clk = "clk50"
    default_rst = "button"
    resources = [
        Resource("clk50", 0, Pins("P3", dir="i"), Clock(50e6), Attrs(IO_TYPE="LVCMOS33")),
        Resource("button", 0, PinsN("P4", dir="i"), Attrs(IO_TYPE="LVCMOS33")),
        Resource("light", 0, PinsN("M18", dir="o"), Attrs(IO_TYPE="LVCMOS25")),
    ]
    connectors = [Connector("pmod", 3, "C4 B4 E4 - C3")]


WORKBENCH = Board(
    name="workbench",
    title="Workbench",
    device=LFE5U_45F,
    package="BG381",
    speed="7",
    clock_mhz=90,
    array=(8, 8),
    platform="bench_boards:WorkbenchPlatform",
    oscillator=Oscillator(resource="clk50", mhz=50),
    uart=Uart(rx=Pin(name="1", connector=("pmod", 3)), tx=Pin(name="5", connector=("pmod", 3))),
    leds=Leds(error=Led(resource="light")),
)
NOT_A_BOARD = 42
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``install(line)`` installs a package with this line in the group ``celosia.boards``."""

    def make(line: str) -> None:
        (tmp_path / "bench_boards.py").write_text(MODULE)
        info = tmp_path / "bench_package-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-package\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[celosia.boards]\n{line}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "bench_boards", raising=False)
        importlib.invalidate_caches()

    return make


def test_a_package_adds_a_board(install: Callable[[str], None]) -> None:
    install("workbench = bench_boards:WORKBENCH")
    assert get_board("workbench").title == "Workbench"
    assert [board.name for board in all_boards()][-1] == "workbench"
    with pytest.raises(BoardError, match="did you mean workbench"):
        get_board("workbensh")


def test_a_board_of_a_package_goes_to_its_pins(install: Callable[[str], None]) -> None:
    install("workbench = bench_boards:WORKBENCH")
    config = AcceleratorConfig(scratch_bytes=4096, weight_depth=32, parameter_depth=16)
    sources = board_sources(get_board("workbench"), config, 90)
    assert (sources.clock_mhz, sources.oscillator_mhz) == (90, 50)
    assert sources.nextpnr_options == ("--45k", "--package", "CABGA381", "--speed", "7")
    places = dict(re.findall(r'LOCATE COMP "(\S+)" SITE "(\S+)";', sources.constraints))
    assert places == {
        "clk50_0__io": "P3",
        "button_0__io": "P4",
        "uart_0__rx__io": "C4",
        "uart_0__tx__io": "C3",
        "light_0__io": "M18",
    }
    assert 'IOBUF PORT "light_0__io" IO_TYPE=LVCMOS25;' in sources.constraints
    assert 'FREQUENCY NET "clock.clock" 90000000.0 HZ;' in sources.constraints


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("workbench = bench_boards:MISSING", "cannot be loaded from bench_boards:MISSING"),
        ("workbench = absent_module:BOARD", "ModuleNotFoundError"),
        ("workbench = bench_boards:NOT_A_BOARD", "bench_boards:NOT_A_BOARD is 42"),
        ("other = bench_boards:WORKBENCH", "must name a Board called 'other'"),
        ("icebreaker = bench_boards:WORKBENCH", "that name is taken"),
    ],
)
def test_a_broken_package_is_named_and_leaves_our_boards_usable(
    install: Callable[[str], None], line: str, message: str
) -> None:
    install(line)
    with pytest.raises(BoardError, match=message) as caught:
        all_boards()
    assert "bench-package" in str(caught.value)
    assert get_board("icebreaker").name == "icebreaker"
