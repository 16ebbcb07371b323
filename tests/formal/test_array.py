# SPDX-License-Identifier: BSD-2-Clause
"""WeightSelect and MacArray: taps go through, and each result finds the place it was promised."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Mux, Signal, Value
from amaranth.lib.wiring import connect

from celosia_hw.config import AcceleratorConfig
from celosia_hw.gateware import array as array_module
from celosia_hw.gateware.array import COPIES, MacArray
from celosia_hw.gateware.weights import FREE_RUNNING_LATENCY, WeightSelect
from celosia_hw.isa import Opcode
from celosia_hw.primitives import mult18
from celosia_sim.formal import Harness, RefutedError, prove, prove_all
from celosia_sim.formal.streams import Passage, assert_stream, assume_stream

#: More than the longest way of a tap to its result.
STEPS = 14


def make_config(rows: int, lanes: int, multipliers: str) -> AcceleratorConfig:
    return AcceleratorConfig(
        output_channels=rows,
        input_channels=lanes,
        chain_rows=2,
        weight_depth=16,
        multipliers=multipliers,
    )


def harness(config: AcceleratorConfig, *, helpers: bool = True) -> Harness:
    """Any taps, any instruction, which stands; any time at which words of a ring arrive."""
    h = Harness()
    m = h.m
    weights, array = WeightSelect(config), MacArray(config)
    select, mac = h.embed(weights, "weights"), h.embed(array, "array")
    instruction = Value.cast(weights.instruction)
    time = Signal(range(COPIES + 4))
    m.d.sync += time.eq(Mux(time == COPIES + 3, time, time + 1))
    m.d.comb += [
        instruction.eq(h.constant(len(instruction), "instruction")),
        weights.start.eq(h.free(1, "start")),
        weights.restart.eq(h.free(1, "restart")),
        weights.arrived.eq(h.free(1, "arrived")),
        array.opcode.eq(weights.instruction.opcode),
        array.weights.eq(h.free(len(array.weights), "weights")),
        array.o.ready.eq(h.free(1, "ready")),
        # The opcode stands before the first tap.
        Assume(~weights.i.valid | (time == COPIES + 3)),
    ]
    assume_stream(h, weights.i)
    connect(m, weights.o, array.i)
    steps = FREE_RUNNING_LATENCY if config.free_running else 1
    passage = Passage(h, weights.i, weights.o, places=steps)
    held = [select[f"stage{stage}_valid"] for stage in range(steps)]
    m.d.comb += Assert(passage.level == sum(held))
    for stage in range(steps):
        place = sum(held[stage + 1 :], start=Value.cast(0))
        payload = select[f"stage{stage}_payload"]
        is_watched = passage.number == (passage.got + place)[: len(passage.number)]
        m.d.comb += Assert(~(held[stage] & is_watched) | (payload == passage.value))
    if not config.free_running:
        assert_stream(h, weights.o)
        assert_stream(h, array.o)
        return h

    m.d.comb += [weights.room.eq(array.room), Assert(~weights.o.valid | array.i.ready)]
    # The array pushes what it admitted, each result after the same number of cycles.
    tag = array.i.p.tag
    admit = array.i.valid & array.i.ready & tag.last & tag.emit
    conv_latency, other_latency = mac_latency(config)
    due: list[Value] = [admit]
    while len(due) <= conv_latency:
        due.append(h.past(due[-1], name=f"due{len(due)}"))
    is_conv = array.opcode == Opcode.CONV
    m.d.comb += Assert(mac["result"] == Mux(is_conv, due[conv_latency], due[other_latency]))
    if helpers:
        credits, level = mac["queue.credits"], mac["queue.level"]
        on_way = Mux(is_conv, sum(due[1 : conv_latency + 1]), sum(due[1 : other_latency + 1]))
        m.d.comb += [
            Assert(credits + level + 1 + on_way == array_module.QUEUE_DEPTH - 1),
            Assert(credits + 1 >= sum(held)),
            Assert(~array.room | (credits >= array_module.SPARE - 1)),
        ]
    return h


def mac_latency(config: AcceleratorConfig) -> tuple[int, int]:
    """Cycles from a last tap to its result, of CONV and of the others, as ``MacArray`` says, less
    that of the queue."""
    levels = config.input_channels.bit_length() - 1
    products = mult18.LATENCY if config.multipliers == "mult18" else mult18.PAIR_LATENCY
    return products + 1 + (levels + 1) // 2, products + 1


def test_stopping(tmp_path: Path) -> None:
    configs = [make_config(2, 2, "fabric"), make_config(4, 4, "mac16"), make_config(2, 8, "mac16")]
    prove_all({c.name: harness(c) for c in configs}, tmp_path, steps=3)


def test_free_running(tmp_path: Path) -> None:
    configs = [
        make_config(2, 2, "mult18_pair"),
        make_config(2, 4, "mult18_pair"),
        make_config(2, 16, "mult18"),
    ]
    prove_all({c.name: harness(c) for c in configs}, tmp_path, steps=STEPS)


def test_with_less_to_spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tap comes that finds no place, once the queue is full."""
    monkeypatch.setattr(array_module, "SPARE", FREE_RUNNING_LATENCY)
    monkeypatch.setattr(array_module, "QUEUE_DEPTH", 8)
    with pytest.raises(RefutedError, match="base"):
        prove(
            harness(make_config(2, 2, "mult18_pair"), helpers=False),
            tmp_path,
            steps=32,
            induction=False,
        )
