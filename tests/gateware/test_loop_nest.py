# SPDX-License-Identifier: BSD-2-Clause
"""LoopNest: the addresses of nested loops, in order, whenever they are asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.gateware.loop_nest import LoopNest
from celosia_hw.isa import ADDRESS_BITS
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench


def make(widths: list[int], registered_last: bool) -> LoopNest:
    return LoopNest(widths, address_bits=ADDRESS_BITS, registered_last=registered_last)


@pytest.mark.parametrize("registered_last", [False, True])
@pytest.mark.parametrize("widths", [[3], [12, 12, 12], [4, 8, 1, 12, 5, 2]], ids=str)
def test_loop_nest(
    run_block: Callable[..., None], widths: list[int], registered_last: bool
) -> None:
    run_block(make, widths=widths, registered_last=registered_last)


async def compare(bench: Bench, counts: list[int], stop_after: int | None = None) -> None:
    """Runs loops of these counts with random strides; perhaps leaves them before their end.

    A step is a stride less the way that the loops inside have gone."""
    rng = bench.rng
    strides = [rng.getrandbits(ADDRESS_BITS) for _ in counts]
    base = rng.getrandbits(ADDRESS_BITS)
    bench.set("start", 1)
    bench.set("base", base)
    bench.set("advance", 0)
    gone = 0
    for index, (count, stride) in enumerate(zip(counts, strides, strict=True)):
        bench.set(f"count{index}", count - 1)
        bench.set(f"step{index}", (stride - gone) % (1 << ADDRESS_BITS))
        gone += (count - 1) * stride
    await bench.step()
    bench.set("start", 0)
    await bench.step()
    # Only the start looks at the base.
    bench.set("base", rng.getrandbits(ADDRESS_BITS))
    stall = bench.stalls()
    # product() runs through its last argument first.
    order = itertools.product(*(range(count) for count in reversed(counts)))
    for done in itertools.islice(order, stop_after):
        inner_first = done[::-1]
        address = base + sum(i * stride for i, stride in zip(inner_first, strides, strict=True))
        last = sum(
            (i == count - 1) << loop
            for loop, (i, count) in enumerate(zip(inner_first, counts, strict=True))
        )
        advanced = False
        while not advanced:
            advanced = not stall()
            bench.set("advance", int(advanced))
            # The registers hold what the last rising edge left.
            assert bench.get("address") == address % (1 << ADDRESS_BITS)
            assert bench.get("last") == last
            await bench.step()


@cocotb.test()
async def random_loops(dut: Any) -> None:
    bench = await start_bench(dut, make, "random loops")
    widths = block_parameters()["widths"]
    for _ in range(30):
        counts = [bench.rng.randint(1, min(1 << width, 4)) for width in widths]
        await compare(bench, counts, bench.rng.choice((None, 5)))


@cocotb.test()
async def largest_counts(dut: Any) -> None:
    bench = await start_bench(dut, make, "largest counts")
    widths = block_parameters()["widths"]
    for loop, width in enumerate(widths):
        counts = [1 << width if loop == index else 1 for index in range(len(widths))]
        await compare(bench, counts)
