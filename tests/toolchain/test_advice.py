# SPDX-License-Identifier: BSD-2-Clause
"""What is told when a design does not fit."""

from __future__ import annotations

import pytest

from celosia.toolchain.advice import fit_message
from celosia.toolchain.blocks import Blocks
from celosia.toolchain.netlist import Cell, Netlist
from celosia.toolchain.route import DoesNotFitError
from celosia.toolchain.timing import Used


def blocks_of(kind: str, **counts: int) -> Blocks:
    """Blocks of a netlist with so many cells of one kind in each; ``__`` stands for a dot."""
    cells = [
        Cell(f"{name}_{index}", kind, {"src": f"module:{name}"}, (), ())
        for name, count in counts.items()
        for index in range(count)
    ]
    scopes: dict[str, tuple[tuple[str, ...], ...]] = {
        name: (tuple(name.split("__")),) for name in counts
    }
    return Blocks(Netlist(tuple(cells), (), scopes))


LARGE = {"core__array": 600, "core__array__products": 200, "core__store": 300, "control": 100}


@pytest.mark.parametrize(
    ("used", "available", "array", "remedy"),
    [
        # 500 of 1,300 are not of the array: with half of its products it takes 900.
        (1300, 1000, (4, 4), "an array of 2x4 would take about 900"),
        (1300, 750, (4, 4), "an array of 2x2 would take about 700"),
        (1300, 699, (4, 4), "no smaller array would do, so take a larger board"),
        (1300, 499, (4, 4), "without the array it would still be 500, so take a larger board"),
        (1300, 1299, (8, 16), "an array of 8x8 would take about 900"),
        (1300, 1000, (2, 2), "no smaller array would do, so take a larger board"),
        (1300, 1000, None, "take a smaller array ('celosia generate --array') or a larger board"),
    ],
)
def test_a_smaller_array_is_computed_from_the_blocks(
    used: int, available: int, array: tuple[int, int] | None, remedy: str
) -> None:
    error = DoesNotFitError(
        {"ICESTORM_LC": Used(used, available), "ICESTORM_RAM": Used(30, 30)}, crowded=False
    )
    message = fit_message(error, "ice40", blocks_of("SB_LUT4", **LARGE), array)
    text = (
        f"the design does not fit: it takes {used:,} of {available:,} logic cells (most in "
        "core.array 600, core.store 300, core.array.products 200): "
    )
    assert message.startswith(text + remedy), message
    if remedy.startswith("an array"):
        size = remedy.split(" ")[3]
        assert message.endswith(f"('celosia generate --array {size}')")


def test_each_resource_that_is_short_is_told() -> None:
    error = DoesNotFitError(
        {"DP16KD": Used(60, 56), "MULT18X18D": Used(32, 28), "EHXPLLL": Used(3, 2)}, crowded=False
    )
    blocks = blocks_of("MULT18X18D", core__array=16, core__requantizer=16)
    message = fit_message(error, "ecp5", blocks, (4, 4))
    parts = message.split("; ")
    assert parts[0].startswith("the design does not fit: it takes 60 of 56 block RAMs (DP16KD)")
    assert parts[1] == (
        "it takes 32 of 28 multipliers (MULT18X18D) (most in core.array 16, core.requantizer 16): "
        "an array of 2x4 would take about 24 ('celosia generate --array 2x4')"
    )
    assert parts[2] == "it takes 3 of 2 EHXPLLL: take a larger board"


def test_a_crowded_device_tells_what_is_fullest() -> None:
    error = DoesNotFitError(
        {"ICESTORM_LC": Used(5270, 5280), "ICESTORM_RAM": Used(20, 30), "SB_IO": Used(39, 39)},
        crowded=True,
    )
    message = fit_message(error, "ice40", blocks_of("SB_LUT4", core__store=5), None)
    assert message.startswith("nextpnr cannot place and route all cells, with another seed it may")
    assert ": it takes 5,270 of 5,280 logic cells" in message
