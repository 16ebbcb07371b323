# SPDX-License-Identifier: BSD-2-Clause
"""WishboneLink: bus cycles are accesses of the control port, and the end of a run interrupts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb

from celosia_hw.isa import Register
from celosia_hw.link.wishbone import WishboneLink
from celosia_sim.rtl.block import start_bench
from celosia_sim.rtl.cycles import Bench


def make() -> WishboneLink:
    return WishboneLink()


def test_wishbone(run_block: Callable[..., None]) -> None:
    run_block(make)


class Port:
    """The control port: keeps the accesses, and answers reads at random after random stalls."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.stall = bench.stalls()
        self.accesses: list[tuple[bool, int, int]] = []
        self._answer = 0
        bench.agents.append(self)

    def drive(self) -> None:
        self._answer = self.bench.rng.getrandbits(32)
        self.bench.set("control__ready", int(not self.stall()))
        self.bench.set("control__read_data", self._answer)

    def sample(self) -> None:
        bench = self.bench
        if bench.get("control__valid") and bench.get("control__ready"):
            write = bool(bench.get("control__write"))
            value = bench.get("control__write_data") if write else self._answer
            self.accesses.append((write, bench.get("control__address"), value))


class Initiator:
    """Does one bus cycle at a time, as the specification's classic cycles."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.result: tuple[str, int] | None = None
        self.hurries = True  # some cycles follow at once on the one before
        bench.agents.append(self)

    def drive(self) -> None:
        """Nothing: ``access`` does."""

    def sample(self) -> None:
        bench = self.bench
        ends = [name for name in ("ack", "err") if bench.get(f"bus__{name}")]
        assert len(ends) < 2
        if ends:
            assert bench.get("bus__stb"), "an end without a cycle"
            self.result = ends[0], bench.get("bus__dat_r")

    async def access(self, write: bool, address: int, value: int, sel: int = 15) -> tuple[str, int]:
        bench = self.bench
        for name, content in (
            ("cyc", 1),
            ("stb", 1),
            ("we", int(write)),
            ("adr", address),
            ("dat_w", value),
            ("sel", sel),
        ):
            bench.set(f"bus__{name}", content)
        self.result = None
        await bench.run(lambda: self.result is not None, limit=1000)
        if not self.hurries or bench.rng.random() < 0.7:
            bench.set("bus__stb", 0)
            bench.set("bus__cyc", bench.rng.getrandbits(1))
            await bench.step(bench.rng.randrange(1, 4))
        assert self.result is not None
        return self.result


@cocotb.test()
async def accesses(dut: Any) -> None:
    bench = await start_bench(dut, make, "accesses")
    port, bus = Port(bench), Initiator(bench)
    for _ in range(500):
        write = bool(bench.rng.getrandbits(1))
        address, value = bench.rng.randrange(16), bench.rng.getrandbits(32)
        port.accesses.clear()
        end, read = await bus.access(write, address, value)
        assert end == "ack"
        assert port.accesses == [(write, address, value if write else read)]


@cocotb.test()
async def partial_writes_are_refused(dut: Any) -> None:
    bench = await start_bench(dut, make, "partial")
    port, bus = Port(bench), Initiator(bench)
    for sel in range(15):
        end, _ = await bus.access(True, bench.rng.randrange(16), 1, sel)
        assert end == "err"
        assert not port.accesses
        # What is read is read as a whole.
        end, _ = await bus.access(False, bench.rng.randrange(16), 1, sel)
        assert end == "ack"
        assert len(port.accesses) == 1
        port.accesses.clear()


@cocotb.test()
async def interrupts(dut: Any) -> None:
    bench = await start_bench(dut, make, "interrupts")
    Port(bench)
    bus = Initiator(bench)
    bus.hurries = False
    for _ in range(50):
        bench.set("busy", 1)
        await bench.step(bench.rng.randrange(1, 9))
        await bus.access(False, Register.STATUS, 0)
        assert not bench.get("irq")
        bench.set("busy", 0)
        await bench.step(3)
        assert bench.get("irq")
        for register in (Register.CYCLES, Register.IDENT):
            await bus.access(False, register, 0)
        await bus.access(True, Register.STATUS, 0)
        assert bench.get("irq")
        await bus.access(False, Register.STATUS, 0)
        await bench.step(2)
        assert not bench.get("irq")
