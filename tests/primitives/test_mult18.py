# SPDX-License-Identifier: BSD-2-Clause
"""Multiplier18 and PairMultiplier: an MULT18X18D by its model, the twin, and integers agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cocotb
import numpy as np
import pytest

from celosia_hw.primitives import mult18
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.pipelines import check_pipeline
from celosia_sim.rtl.side_by_side import SideBySide


def make(pair: bool) -> SideBySide:
    kind = mult18.PairMultiplier if pair else mult18.Multiplier18
    return SideBySide(kind(), kind(), family="ecp5")


@pytest.mark.parametrize("pair", [False, True])
def test_mult18(run_block: Callable[..., None], pair: bool) -> None:
    run_block(make, "ecp5", pair=pair)


def test_two_products_come_apart() -> None:
    """What PairMultiplier's docstring says, for all weights and activations that it may get."""
    w0, w1, x = np.meshgrid(
        np.arange(-127, 128, dtype=np.int32),
        np.arange(-127, 128, dtype=np.int32),
        np.arange(-128, 128, dtype=np.int32),
        indexing="ij",
        sparse=True,
    )
    operand = (w0 << 10) + w1
    assert operand.min() >= -(1 << 17)
    assert operand.max() < 1 << 17
    p = operand * x
    assert p.size == 255 * 255 * 256
    low = w0 * x & 31
    split = (p >> 10) - (low - 16)
    np.testing.assert_array_equal((split >> 5) * 32 + low, np.broadcast_to(w0 * x, p.shape))
    first = ((split & 31) - 16) * 1024 + (p & 1023)
    np.testing.assert_array_equal(first, np.broadcast_to(w1 * x, p.shape))


def all_low_bits() -> Iterator[dict[str, int]]:
    """All that the low bits of the first product depend on, with extremes of the rest."""
    for low in range(32):
        for x in range(32):
            for w1 in (-127, 127):
                yield {
                    "w0": low - 128 if low else 32,
                    "w1": w1,
                    "x": x - 128 if (low + x) % 2 else x + 96,
                }


@cocotb.test()
async def all_agree(dut: Any) -> None:
    pair = block_parameters()["pair"]
    bench = await start_bench(dut, make, "products")
    if pair:
        await check_pipeline(
            bench,
            {"w0": (-127, 127), "w1": (-127, 127), "x": (-128, 127)},
            lambda w0, w1, x: {"p0": w0 * x, "p1": w1 * x},
            latency=mult18.PAIR_LATENCY,
            cycles=6000,
            directed=all_low_bits(),
        )
    else:
        limits = -(1 << 17), (1 << 17) - 1
        await check_pipeline(
            bench,
            {"a": limits, "b": limits},
            lambda a, b: {"p": a * b},
            latency=mult18.LATENCY,
            cycles=3000,
        )
