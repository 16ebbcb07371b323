# SPDX-License-Identifier: BSD-2-Clause
"""Deframer and Enframer: every byte through flags and escapes, at any pace of both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import pytest

from celosia_hw.link.protocol import ESCAPE, FLAG, Unstuffer, stuff
from celosia_hw.link.stuffing import Deframer, Enframer
from celosia_sim.rtl.block import block_parameters, start_bench
from celosia_sim.rtl.cycles import Bench
from celosia_sim.rtl.streams import StreamSink, StreamSource


def make(deframes: bool) -> Deframer | Enframer:
    return Deframer() if deframes else Enframer()


@pytest.mark.parametrize("deframes", [True, False])
def test_stuffing(run_block: Callable[..., None], deframes: bool) -> None:
    run_block(make, deframes=deframes)


def frames_of(bench: Bench) -> list[bytes]:
    """Frames with every byte, and some with many flags and escapes."""
    rng = bench.rng
    special = [bytes(rng.choice((FLAG, ESCAPE, 0x5E, 0x5D, 0)) for _ in range(20))]
    return [
        bytes(range(256)),
        *special * 3,
        *(rng.randbytes(rng.randrange(1, 30)) for _ in "12345"),
    ]


class Begins:
    """Notes how many bytes had come out at each flag."""

    def __init__(self, bench: Bench, sink: StreamSink) -> None:
        self.bench = bench
        self.sink = sink
        self.places: list[int] = []
        bench.agents.append(self)

    def drive(self) -> None:
        """Nothing: this only looks."""

    def sample(self) -> None:
        if self.bench.get("begin"):
            self.places.append(len(self.sink.values))


@cocotb.test()
async def whole_frames(dut: Any) -> None:
    bench = await start_bench(dut, make, "frames")
    source = StreamSource(bench, "i", bench.stalls())
    sink = StreamSink(bench, "o", bench.stalls())
    frames = frames_of(bench)
    if block_parameters()["deframes"]:
        begins = Begins(bench, sink)
        line = b"".join(map(stuff, frames))
        # An escape before a flag is forgotten.
        source.send(bytes((ESCAPE,)) + line)
        await bench.run(lambda: source.done, limit=20_000)
        await bench.step(3)
        assert bytes(sink.values) == b"".join(frames)
        ends = [sum(map(len, frames[:n])) for n in range(len(frames) + 1)]
        assert begins.places == [place for n in range(len(frames)) for place in ends[n : n + 2]]
        return
    for frame in frames:
        # The flag is above the byte, which means nothing then.
        flag = 1 << 8 | bench.rng.getrandbits(8)
        source.send([flag, *frame, flag])
    await bench.run(lambda: source.done, limit=20_000)
    await bench.step(10)
    assert bytes(sink.values) == b"".join(map(stuff, frames))
    assert Unstuffer().feed(bytes(sink.values)) == frames
