# SPDX-License-Identifier: BSD-2-Clause
"""Boards: their facts, how they are found, and what installed packages may add."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from celosia_hw.boards import Board, BoardError, MemoryKind, all_boards, get_board
from celosia_hw.boards.devices import ICE40_UP5K
from celosia_hw.boards.registry import BUILT_IN

AMARANTH_PLATFORMS = {
    "icebreaker": "icebreaker.ICEBreakerPlatform",
    "upduino3": "upduino_v3.UpduinoV3Platform",
    "icesugar": "icesugar.ICESugarPlatform",
    "up5k_evn": "ice40_up5k_b_evn.ICE40UP5KBEVNPlatform",
    "ulx3s_12f": "ulx3s.ULX3S_12F_Platform",
    "ulx3s_25f": "ulx3s.ULX3S_25F_Platform",
    "ulx3s_45f": "ulx3s.ULX3S_45F_Platform",
    "ulx3s_85f": "ulx3s.ULX3S_85F_Platform",
    "orangecrab_25f": "orangecrab_r0_2.OrangeCrabR0_2_25FPlatform",
    "orangecrab_85f": "orangecrab_r0_2.OrangeCrabR0_2_85FPlatform",
    "ecpix5_45f": "ecpix5.ECPIX545Platform",
    "ecpix5_85f": "ecpix5.ECPIX585Platform",
    "icesugar_pro": "icesugar_pro.ICESugarProPlatform",
    "colorlight_5a_75b": "colorlight_5a75b_r7_0.Colorlight_5A75B_R70Platform",
}


def test_boards_have_distinct_names_that_find_them() -> None:
    boards = all_boards()
    assert len({board.name for board in boards}) == len(boards)
    for board in boards:
        assert get_board(board.name) is board


@pytest.mark.parametrize("name", AMARANTH_PLATFORMS)
def test_device_package_and_speed_are_those_of_amaranth_boards(name: str) -> None:
    pytest.importorskip("amaranth_boards")
    module, platform_name = AMARANTH_PLATFORMS[name].split(".")
    platform = getattr(importlib.import_module(f"amaranth_boards.{module}"), platform_name)
    board = get_board(name)
    assert board.device.name == platform.device
    assert board.package == platform.package
    assert board.speed == getattr(platform, "speed", "")


def test_every_board_of_ours_is_compared_with_amaranth_boards() -> None:
    assert set(BUILT_IN) == set(AMARANTH_PLATFORMS)


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
    products_each = 2 if board.family == "ice40" else 1
    output_channels, input_channels = board.array
    assert output_channels * input_channels <= board.multipliers * products_each


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
    }
    assert Board(**good).multipliers == 8  # type: ignore[arg-type]
    with pytest.raises(BoardError, match=message):
        Board(**{**good, **change})  # type: ignore[arg-type]


# --- boards of installed packages ----------------------------------------------------------------

MODULE = """
import dataclasses
from celosia_hw.boards import get_board
WORKBENCH = dataclasses.replace(get_board("ulx3s_85f"), name="workbench", title="Workbench")
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
        importlib.invalidate_caches()

    return make


def test_a_package_adds_a_board(install: Callable[[str], None]) -> None:
    install("workbench = bench_boards:WORKBENCH")
    assert get_board("workbench").title == "Workbench"
    assert [board.name for board in all_boards()][-1] == "workbench"
    with pytest.raises(BoardError, match="did you mean workbench"):
        get_board("workbensh")


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
