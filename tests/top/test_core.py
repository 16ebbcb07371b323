# SPDX-License-Identifier: BSD-2-Clause
"""The whole design but for the board's pins and clock, at its serial line: a network runs, with the
bytes that the program model gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
import pytest
from cocotb.triggers import RisingEdge, Timer
from tests.top.network import CONFIG, small_network

from celosia_hw.core import Core
from celosia_hw.isa import IDENT_VALUE, Control, Error, Opcode, Register, Space, Status, encode
from celosia_sim.accelerator import job_for, outputs_of
from celosia_sim.program_model import ProgramModel
from celosia_sim.rtl.block import block_parameters
from celosia_sim.rtl.host import PERIOD_NS
from celosia_sim.rtl.job import Job, Run
from celosia_sim.rtl.serial_host import SerialHost


def make(divisor: int, deviation: float, directory: str) -> Core:
    return Core(CONFIG, divisor=divisor)


@pytest.mark.parametrize(("divisor", "deviation"), [(8, 0.015), (11, -0.02)])
def test_a_network_runs(
    run_block: Callable[..., None], tmp_path: Path, divisor: int, deviation: float
) -> None:
    image = small_network(tmp_path / "small.tflite")
    rng = np.random.default_rng(divisor)
    inputs: list[list[npt.NDArray[np.generic]]] = [
        [rng.integers(-128, 128, image.inputs[0].shape).astype(np.int8)] for _ in range(2)
    ]
    job_for(image, inputs).save(tmp_path)
    run_block(make, divisor=divisor, deviation=deviation, directory=str(tmp_path))
    runs = Run.load_all(tmp_path)
    assert len(runs) == 2
    seen = set()
    for run, values in zip(runs, inputs, strict=True):
        assert run.status & 0xFF == 1 << Status.DONE
        actual = outputs_of(image, run)
        for port, expected in zip(image.outputs, ProgramModel(image).outputs(values), strict=True):
            assert np.array_equal(actual[port.tensor], expected)
            seen.add(expected.tobytes())
    assert len(seen) == 2


async def started(dut: Any) -> SerialHost:
    parameters = block_parameters()
    host = SerialHost(dut, parameters["divisor"], deviation=parameters["deviation"])
    await host.reset()
    return host


def lights(dut: Any) -> tuple[int, int, int]:
    """Ready, busy, failed."""
    return int(dut.ready.value), int(dut.busy.value), int(dut.failed.value)


@cocotb.test()
async def run_job(dut: Any) -> None:
    directory = Path(block_parameters()["directory"])
    job = Job.load(directory)
    host = await started(dut)
    assert lights(dut) == (1, 0, 0)
    for section in job.sections:
        await host.write_memory(Space(section.space), section.address, section.content)
    runs = []
    for parts in job.inputs:
        for address, content in parts:
            await host.write_memory(Space.SCRATCH, address, content)
        await host.write(Register.START, job.start)
        await host.write(Register.WATCHDOG, job.watchdog)
        assert lights(dut) == (1, 0, 0)
        start = cocotb.start_soon(host.write(Register.CONTROL, 1 << Control.START))
        await RisingEdge(dut.busy)
        await Timer(1, "ns")
        assert lights(dut) == (0, 1, 0)
        await start
        status = await host.wait()
        assert lights(dut) == (1, 0, 0)
        reads = [await host.read_memory(*read) for read in job.reads]
        runs.append(Run(status, await host.read(Register.CYCLES), reads))
    Run.save_all(runs, directory)


@cocotb.test()
async def registers_and_memory(dut: Any) -> None:
    host = await started(dut)
    rng = np.random.default_rng(3)
    assert await host.read(Register.IDENT) == IDENT_VALUE
    assert await host.read(Register.CONFIG) == CONFIG.fingerprint
    sizes = (CONFIG.scratch_bytes, CONFIG.weight_bytes, CONFIG.parameter_bytes)
    for register, size in enumerate(sizes, start=Register.SCRATCH_BYTES):
        assert await host.read(Register(register)) == size
    content = rng.bytes(1500)
    await host.write_memory(Space.SCRATCH, 333, content)
    assert await host.read_memory(333, 1500) == content
    assert await host.read_memory(1000, 9) == content[667:676]


@cocotb.test()
async def a_bad_instruction_lights_error(dut: Any) -> None:
    host = await started(dut)
    bad = bytearray(encode(Opcode.END, {}))
    bad[0] = 15
    await host.write_memory(Space.SCRATCH, 64, bytes(bad) + encode(Opcode.END, {}))
    await host.start(64)
    status = await host.wait()
    assert status >> Status.ERROR & 15 == Error.OPCODE
    assert lights(dut) == (0, 0, 1)
    await host.start(128)
    assert await host.wait() & 0xFF == 1 << Status.DONE
    assert lights(dut) == (1, 0, 0)


@cocotb.test()
async def a_watchdog_that_expires_lights_error(dut: Any) -> None:
    host = await started(dut)
    # One FILL whose stores take longer than the host's command.
    fill = encode(Opcode.FILL, {"out_base": 0, "lines": 4000, "positions": 1000, "zero_point": 1})
    await host.write_memory(Space.SCRATCH, 8192, fill + encode(Opcode.END, {}))
    cycles = 3000
    await host.start(8192, watchdog=cycles)
    await Timer(cycles * PERIOD_NS + 100_000, "ns")
    assert lights(dut) == (0, 0, 1)
    assert await host.read(Register.STATUS) >> Status.ERROR & 15 == Error.WATCHDOG
    await host.write(Register.CONTROL, 1 << Control.RESET)
    await Timer(100, "ns")
    assert lights(dut) == (1, 0, 0)
