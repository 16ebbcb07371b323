# SPDX-License-Identifier: BSD-2-Clause
"""Requantizer: as many results as beats, in time, and a place for each."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Module, Mux, Signal, Value

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware import requantize
from celosia_hw.gateware.credit_queue import CreditQueue
from celosia_hw.gateware.requantize import QUEUE_DEPTH, Requantizer, latency
from celosia_sim.formal import Harness, RefutedError, prove, prove_all
from celosia_sim.formal.streams import assert_stream


def make_config(lanes: int, multipliers: str) -> AcceleratorConfig:
    return AcceleratorConfig(
        output_channels=2,
        input_channels=2,
        chain_rows=2,
        scratch_bytes=64,
        requantize_lanes=lanes,
        scratch_single_port=multipliers == "mac16",
        multipliers=multipliers,
    )


def harness(config: AcceleratorConfig, *, helpers: bool = True) -> Harness:
    """Any beats, in every second enabled cycle at most if they pass twice; the instruction
    stands."""
    h = Harness()
    m = h.m
    dut = Requantizer(config)
    block = h.embed(dut)
    cycles = latency(config)
    instruction, beat = Value.cast(dut.instruction), Value.cast(dut.i.payload)
    second_pass = dut.instruction.second_pass
    m.d.comb += [
        instruction.eq(h.constant(len(instruction), "instruction")),
        dut.i.valid.eq(h.free(1, "valid")),
        beat.eq(h.free(len(beat), "beat")),
        dut.o.ready.eq(h.free(1, "ready")),
    ]
    for port in (dut.operands, dut.parameters, dut.table_enable, dut.table_row, dut.table_data):
        value = Value.cast(port)
        m.d.comb += value.eq(h.free(len(value), "operand"))
    sent = dut.i.valid & dut.i.ready
    if not config.free_running:
        # All registers move in the same cycles, which are those in which no result waits.
        enable = ~dut.o.valid | dut.o.ready
        sent_before = Signal()
        ages = Signal(cycles.second_pass)
        with m.If(enable):
            m.d.sync += sent_before.eq(sent)
            m.d.sync += ages.eq((ages << 1) | sent)
        m.d.comb += [
            Assume(~(second_pass & sent_before & sent)),
            Assert(dut.i.ready == enable),
            Assert(
                dut.o.valid
                == Mux(second_pass, ages[cycles.second_pass - 1], ages[cycles.first_pass - 1])
            ),
            Assert(dut.busy == Mux(second_pass, ages.any(), ages[: cycles.first_pass].any())),
        ]
        assert_stream(h, dut.o, payload=False)
        if helpers:
            # Those of beats that pass once end earlier.
            m.d.comb += Assert(block["ages"] == Mux(second_pass, ages, ages[: cycles.first_pass]))
        return h
    due: list[Value] = [sent]
    while len(due) <= cycles.second_pass:
        due.append(h.past(due[-1], name=f"due{len(due)}"))
    m.d.comb += [
        Assert(~sent | block["queue.room"]),
        Assert(~(second_pass & sent & due[1])),
        Assert(block["push"] == Mux(second_pass, due[cycles.second_pass], due[cycles.first_pass])),
    ]
    assert_stream(h, dut.o, payload=False)
    if helpers:
        credits, level = block["queue.credits"], block["queue.level"]
        twice, once = sum(due[1 : cycles.second_pass + 1]), sum(due[1 : cycles.first_pass + 1])
        waiting = level + 1 + dut.o.valid
        m.d.comb += [
            Assert(credits + waiting + Mux(second_pass, twice, once) == QUEUE_DEPTH - 1),
            Assert((level >= -1) & (credits >= -1)),
            Assert(~block["queue.ample"] | (credits >= 0)),
        ]
        for age in range(cycles.first_pass):
            m.d.comb += Assert(block["ages"][age] == due[age + 1])
        for age in range(cycles.first_pass, cycles.second_pass):
            m.d.comb += Assert(block["ages"][age] == (due[age + 1] & second_pass))
    return h


def test_requantizer(tmp_path: Path) -> None:
    configs = {
        "stopping": make_config(2, "mac16"),
        "free_running": make_config(1, "mult18"),
    }
    prove_all({name: harness(c) for name, c in configs.items()}, tmp_path, steps=3)


def test_with_a_late_ample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that has no places to spare promises one too many."""

    class Late(CreditQueue):
        def elaborate(self, platform: object) -> Module:
            m = super().elaborate(platform)
            m.d.sync += self.ample.eq(self.room)
            return m

    monkeypatch.setattr(requantize, "CreditQueue", Late)
    monkeypatch.setattr(requantize, "QUEUE_DEPTH", 4)
    dut = harness(make_config(1, "mult18"), helpers=False)
    with pytest.raises(RefutedError, match="base"):
        prove(dut, tmp_path, steps=8, induction=False)
