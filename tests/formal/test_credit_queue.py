# SPDX-License-Identifier: BSD-2-Clause
"""CreditQueue: what was admitted comes out, whole, in order, and there is always a place for it."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest
from amaranth.hdl import Assert, Assume, Signal

from celosia_hw.gateware.credit_queue import CreditQueue
from celosia_sim.formal import Harness, RefutedError, prove, prove_all
from celosia_sim.formal.streams import Passage, assert_stream

STEPS = 3


def harness(dut: CreditQueue, *, overdrawn: int = 0) -> Harness:
    """Of the pipeline before the queue it is assumed that it pushes, in any later cycle or in the
    same one, what it admitted; ``overdrawn`` is how often more it does."""
    h = Harness()
    m, depth = h.m, dut.depth
    bits = depth.bit_length() + 1
    block = h.embed(dut)
    admitted = Signal(bits)
    outstanding = Signal(bits)
    m.d.comb += [
        dut.admit.eq(h.free(1, "admit")),
        dut.push.eq(h.free(1, "push")),
        dut.i.eq(h.free(2, "i")),
        dut.o.ready.eq(h.free(1, "ready")),
        Assume(~dut.admit | dut.room),
        Assume(~dut.push | dut.admit | (outstanding + overdrawn != 0)),
    ]
    m.d.sync += admitted.eq(admitted + dut.admit)
    assert_stream(h, dut.o, payload=False)
    source = SimpleNamespace(valid=dut.push, ready=1, payload=dut.i)
    passage = Passage(h, source, dut.o, places=depth)
    reserved = Signal(bits)
    m.d.comb += [
        outstanding.eq(admitted - passage.put),
        reserved.eq(admitted - passage.got),
        Assert(reserved <= depth),
        Assert(outstanding <= reserved),
        Assert(dut.room == (reserved < depth)),
        Assert(dut.empty == (reserved == 0)),
    ]
    if dut.spare:
        ample = h.past(depth - reserved > dut.spare, init=1, name="ample")
        m.d.comb += Assert(dut.ample == ample)
    # The latency: a value that was pushed one or two cycles ago is there, if it is its turn.
    there = passage.level
    if dut.registered:
        there = (h.past(passage.put, name="put_before") - passage.got)[:bits]
    m.d.comb += Assert(dut.o.valid == (there != 0))

    # What induction has to know: the counts, the pointers, and where the watched value is.
    (memory,) = block.memories
    read = dut.o.valid if dut.registered else 0
    m.d.comb += [
        Assume(memory.address == passage.number[: len(memory.address)]),
        Assert(block["credits"] == (depth - 1 - reserved)),
        Assert(block["level"] == (passage.level - read - 1)),
        Assert(block["behind"] == passage.put[: len(memory.address)]),
        Assert(block["first"] == (passage.got + read)[: len(memory.address)]),
    ]
    for place in range(depth):
        held = passage.inside(place)
        if dut.registered and place == 0:
            held &= ~dut.o.valid
        m.d.comb += Assert(~held | (memory.cell == passage.value))
    return h


@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize(("depth", "spares"), [(2, (0, 1)), (4, (0, 1, 3)), (8, (6,))])
def test_credit_queue(
    tmp_path: Path, depth: int, spares: tuple[int, ...], registered: bool
) -> None:
    harnesses = {
        f"spare{spare}_fast{fast}": harness(
            CreditQueue(2, depth=depth, registered=registered, spare=spare, fast=fast)
        )
        for spare, fast in itertools.product(spares, (False, True))
    }
    prove_all(harnesses, tmp_path, steps=STEPS)


@pytest.mark.parametrize("registered", [False, True])
def test_with_a_push_too_many(tmp_path: Path, registered: bool) -> None:
    with pytest.raises(RefutedError, match="base"):
        prove(
            harness(CreditQueue(2, depth=2, registered=registered), overdrawn=1), tmp_path, steps=6
        )
