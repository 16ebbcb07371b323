# SPDX-License-Identifier: BSD-2-Clause
"""The bench itself: it must find what is wrong with a stream, and pack values as Amaranth does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest
from amaranth.hdl import Const, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Out

from celosia.errors import ToolError
from celosia_sim.rtl.block import start_bench
from celosia_sim.rtl.streams import StreamSink
from celosia_sim.rtl.values import from_bits, to_bits


class Counter(wiring.Component):
    """Sends 0, 1, 2, ... and breaks the stream rule, if asked to, while it waits."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__({"o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        time = Signal(2)
        waits = ~self.o.ready
        m.d.comb += self.o.valid.eq(1)
        m.d.sync += time.eq(time + 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.payload.eq(self.o.payload + 1)
        if self.fault == "payload":
            with m.If(waits):
                m.d.sync += self.o.payload.eq(self.o.payload ^ 0x80)
        if self.fault == "valid":
            m.d.comb += self.o.valid.eq(time != 3)
        return m


def make(fault: str) -> Counter:
    return Counter(fault)


def test_good_stream(run_block: Callable[..., None]) -> None:
    run_block(make, fault="")


@pytest.mark.parametrize(
    ("fault", "message"),
    [("payload", "payload changed before ready"), ("valid", "valid fell before ready")],
)
def test_faults_are_found(run_block: Callable[..., None], fault: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        run_block(make, fault=fault)


@cocotb.test()
async def take(dut: Any) -> None:
    bench = await start_bench(dut, make, "take")
    sink = StreamSink(bench, "o", bench.stalls())
    await bench.step(200)
    assert sink.values == [i % 256 for i in range(len(sink.values))]
    assert len(sink.values) > 50


LAYOUT = data.StructLayout(
    {"a": 3, "b": signed(5), "c": data.ArrayLayout(signed(4), 3), "d": data.StructLayout({"e": 1})}
)
VALUE = {"a": 5, "b": -16, "c": [-8, 7, 0], "d": {"e": 1}}


def test_values_are_packed_as_in_amaranth() -> None:
    bits = to_bits(LAYOUT, VALUE)
    assert bits == Const.cast(LAYOUT.const(VALUE)).value
    assert from_bits(LAYOUT, bits) == VALUE
    assert to_bits(LAYOUT, bits) == bits
    assert from_bits(signed(4), to_bits(signed(4), -3)) == -3


@pytest.mark.parametrize(("shape", "value"), [(3, 8), (3, -1), (signed(3), 4), (signed(3), -5)])
def test_values_that_do_not_fit(shape: Any, value: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        to_bits(shape, value)
